#!/usr/bin/perl
# What the real SpamAssassin makes of rule files: its whole configuration after parsing, as one JSON object. Octets as Latin-1 characters.
#   conf.pl [--rules DIR] [--site DIR] [--file CF]… [--net] [--lang de_DE]
use strict;
use warnings;
use Getopt::Long;
use JSON::PP;
use Mail::SpamAssassin;
use Mail::SpamAssassin::Util qw(qr_to_string);

# Decides which `lang` lines count.
BEGIN { delete @ENV{qw(LANGUAGE LC_ALL LC_MESSAGES)}; $ENV{LANG} = 'C' }
my ($rules, $site, $net, $lang, @files) = ('/usr/share/spamassassin', '/etc/spamassassin', 0, 'C');
GetOptions('rules=s' => \$rules, 'site=s' => \$site, 'file=s' => \@files, 'net' => \$net, 'lang=s' => \$lang) or exit 2;
$ENV{LANG} = $lang;
my @said;
local $SIG{__WARN__} = sub { push @said, $_[0] };
my $sa = Mail::SpamAssassin->new({
  rules_filename => $rules, site_rules_filename => $site, userprefs_filename => join("\000", @files) || '/dev/null',
  dont_copy_prefs => 1, userstate_dir => '/tmp', home_dir_for_helpers => '/tmp', local_tests_only => !$net, debug => 0,
  # Keeps what the parser would throw away.
  post_config_text => "allow_user_rules 1\n",
});
$sa->{lint_callback} = sub { my %o = @_; push @said, $o{msg} };
$sa->init(1);
my $conf = $sa->{conf};

sub octets { my $s = shift; return undef unless defined $s; $s = "$s"; utf8::encode($s) if utf8::is_utf8($s) && $s =~ /[^\x00-\xff]/; $s }
sub plain {
  my $v = shift;
  my $r = ref $v;
  return octets($v) unless $r;
  return qr_to_string($v) if $r eq 'Regexp';
  return [map { plain($_) } @$v] if $r eq 'ARRAY';
  return { map { octets($_) => plain($v->{$_}) } keys %$v } if $r eq 'HASH';
  return undef;
}

my %kind = (8 => 'header', 9 => 'header eval', 10 => 'body', 11 => 'body eval', 12 => 'full', 13 => 'full eval', 14 => 'rawbody',
  15 => 'rawbody eval', 16 => 'uri', 17 => 'uri eval', 18 => 'meta', 19 => 'rbl eval', 20 => 'empty');
my %called;
for my $type (qw(head_evals body_evals full_evals rawbody_evals)) {
  for my $list (values %{ $conf->{$type} // {} }) { $called{$_} = $list->{$_} for keys %$list }
}
$called{$_} = $conf->{rbl_evals}{$_} for keys %{ $conf->{rbl_evals} // {} };
my %tests;
for my $name (keys %{ $conf->{test_types} }) {
  my $flags = $conf->{tflags}{$name} // '';
  $tests{$name} = {
    kind => $kind{ $conf->{test_types}{$name} }, text => octets($conf->{tests}{$name}),
    pattern => plain($conf->{test_qrs}{$name}), field => $conf->{test_opt_header}{$name},
    exists => $conf->{test_opt_exists}{$name} ? 1 : 0, negated => $conf->{test_opt_neg}{$name} ? 1 : 0,
    unset => octets($conf->{test_opt_unset}{$name}), call => plain($called{$name}),
    scores => [map { $conf->{scoreset}[$_]{$name} + 0 } 0 .. 3], flags => $flags, describe => octets($conf->{descriptions}{$name}),
    priority => 0 + ($conf->{priority}{$name} || ($flags =~ /\bnet\b/ ? -100 : 0)), shortcircuit => $conf->{shortcircuit}{$name},
    prefix => octets($conf->{subjprefix}{$name}), unsolved => $conf->{meta_tests}{$name} && !$conf->{meta_dependencies}{$name} ? 1 : 0,
  };
}
my %plugin = map { (ref($_) =~ /(\w+)$/ ? $1 : '') => $_ } @{ $sa->{plugins}{plugins} };
my %out = (tests => \%tests, said => [map { octets($_) } @said], plugins => [sort keys %{ $conf->{plugins_loaded} }],
  freemail => [sort keys %{ $plugin{FreeMail}{freemail_domains} // {} }], freemail_wild => plain($plugin{FreeMail}{freemail_domains_re}),
  freemail_welcomelist => [sort keys %{ $plugin{FreeMail}{freemail_welcomelist} // {} }]);
for my $list (qw(trusted internal msa)) {
  $out{networks}{$list} = [map { $_->{as_string} } @{ $conf->{"${list}_networks"}{nets} // [] }];
  $out{configured}{$list} = $conf->{"${list}_networks_configured"} ? 1 : 0;
}
# Everything else by its own name; objects and what was told above left out.
my %done = map { $_ => 1 } qw(tests test_types test_qrs scoreset scores tflags priority descriptions main parser registered_commands
  eval_plugins head_evals body_evals full_evals rawbody_evals rbl_evals meta_tests head_tests body_tests uri_tests full_tests rawbody_tests
  trusted_networks internal_networks msa_networks dns_available_ports_bitset);
$out{conf}{$_} = plain($conf->{$_}) for grep { !$done{$_} } keys %$conf;
print JSON::PP->new->latin1->canonical->allow_nonref->encode(\%out), "\n";
