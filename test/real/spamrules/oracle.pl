#!/usr/bin/perl
# What the real SpamAssassin makes of messages, step by step: one JSON line per file, octets as Latin-1 characters.
#   oracle.pl [--rules DIR] [--site DIR] [--cf TEXT]… [--layers LAYER,…] [--net] [--fresh] FILE… | -   (- reads paths from standard input)
# Layers beside the hits: body, rawbody, uris, relays, html, parts, fields (those that the rules ask for), timing.
use strict;
use warnings;
use Getopt::Long;
use JSON::PP;
use Time::HiRes qw(clock_gettime CLOCK_PROCESS_CPUTIME_ID);
use Mail::SpamAssassin;

my ($rules, $site, $net, $layers, $fresh, @cf) = ('/usr/share/spamassassin', '/etc/spamassassin', 0, '', 0);
GetOptions('rules=s' => \$rules, 'site=s' => \$site, 'cf=s' => \@cf, 'net' => \$net, 'layers=s' => \$layers, 'fresh' => \$fresh) or exit 2;
my %layer = map { $_ => 1 } split /,/, $layers;
my $sa = Mail::SpamAssassin->new({
  rules_filename => $rules, site_rules_filename => $site, userprefs_filename => '/dev/null', dont_copy_prefs => 1,
  userstate_dir => '/tmp', home_dir_for_helpers => '/tmp',
  local_tests_only => !$net, post_config_text => join("\n", 'use_bayes 0', @cf, ''), debug => 0,
});
$sa->init(1);
my $conf = $sa->{conf};
my $json = JSON::PP->new->latin1->canonical->allow_nonref->allow_blessed;
$| = 1;

# Names of fields that header rules of any priority read.
my %asked;
for my $tests (values %{ $conf->{head_tests} // {} }) { }
for my $name (keys %{ $conf->{test_types} // {} }) {
  my $o = $conf->{test_opt_header}->{$name};
  $asked{$o} = 1 if defined $o;
}
$asked{$_} = 1 for qw(Subject From From:addr From:name To ToCc MESSAGEID EnvelopeFrom ALL ALL:raw Received
  X-Spam-Relays-Trusted X-Spam-Relays-Untrusted X-Spam-Relays-Internal X-Spam-Relays-External ALL-TRUSTED ALL-INTERNAL
  ALL-UNTRUSTED ALL-EXTERNAL Reply-To:addr);

sub octets { my $s = shift; return undef unless defined $s; utf8::encode($s) if utf8::is_utf8($s) && $s =~ /[^\x00-\xff]/; $s }
sub plain {
  my ($v, $depth) = (@_, 0);
  my $r = ref $v;
  return octets($v) unless $r;
  return undef if $depth > 6;
  return [map { plain($_, $depth + 1) } @$v] if $r eq 'ARRAY';
  return { map { octets($_) => plain($v->{$_}, $depth + 1) } keys %$v } if $r eq 'HASH';
  return undef;
}

sub part {
  my $p = shift;
  my %of = (type => $p->{type}, rendered_type => $p->{rendered_type}, charset => $p->{charset}, name => $p->{name},
    boundary => $p->{boundary}, headers => plain($p->{headers}), raw_headers => plain($p->{raw_headers}));
  if ($p->is_leaf) {
    $of{decoded} = octets($p->decode) if ($p->{type} // '') =~ m{^(?:text|message)/};
    $of{rendered} = octets($p->{rendered}); $of{visible} = octets($p->{visible_rendered}); $of{invisible} = octets($p->{invisible_rendered});
    $of{html} = plain($p->{html_results}) if $p->{html_results};
  }
  $of{children} = [map { part($_) } @{ $p->{body_parts} // [] }];
  \%of;
}

sub look {
  my ($file) = @_;
  open my $fh, '<', $file or die "$file: $!";
  binmode $fh;
  my $text = do { local $/; <$fh> };
  my $start = clock_gettime(CLOCK_PROCESS_CPUTIME_ID);
  my $mail = $sa->parse($text, 1);
  my $pms = $sa->check($mail);
  my $cpu = clock_gettime(CLOCK_PROCESS_CPUTIME_ID) - $start;
  my %out = (file => $file, score => $pms->get_score + 0, required => $pms->get_required_score + 0,
    named => [sort split /,/, $pms->get_names_of_tests_hit], hits => plain($pms->{tests_already_hit}), cpu => $cpu);
  $out{points} = { map { $_ => ($conf->{scores}->{$_} // 0) + 0 } @{ $out{named} } };
  delete $out{hits}{$_} for grep { !$out{hits}{$_} } keys %{ $out{hits} };
  if ($layer{body}) {
    $out{body} = plain($pms->get_decoded_stripped_body_text_array);
    $out{visible} = plain($mail->get_visible_rendered_body_text_array);
    $out{invisible} = plain($mail->get_invisible_rendered_body_text_array);
  }
  $out{rawbody} = plain($pms->get_decoded_body_text_array) if $layer{rawbody};
  if ($layer{uris}) {
    $out{uris} = [sort map { octets($_) } $pms->get_uri_list];
    $out{uri_detail} = plain($pms->get_uri_detail_list);
  }
  if ($layer{relays}) {
    $out{relays} = { map { my $k = $_; $k => plain($mail->{metadata}->{"relays_$k"}) } qw(trusted untrusted internal external) };
    $out{relay_text} = { map { my $k = $_; $k => octets($mail->{metadata}->{"relays_${k}_str"}) } qw(trusted untrusted internal external) };
    $out{unparseable} = $pms->{num_relays_unparseable};
    $out{$_} = $mail->{metadata}->{$_} for qw(last_trusted_relay_index last_internal_relay_index);
  }
  $out{html} = plain($pms->{html_all} // $pms->{html}) if $layer{html};
  $out{parts} = part($mail) if $layer{parts};
  $out{fields} = { map { my $v = $pms->get($_, undef); defined $v ? ($_ => octets($v)) : () } keys %asked } if $layer{fields};
  $out{flags} = [grep { $mail->{$_} } qw(missing_mime_headers missing_mime_head_body_separator truncated_header mime_epilogue_exists missing_head_body_separator)];
  print $json->encode(\%out), "\n";
  $pms->finish;
  $mail->finish;
}

if (@ARGV == 1 && $ARGV[0] eq '-') { while (my $line = <STDIN>) { chomp $line; look($line) } }
elsif ($fresh) {
  # What a rule has captured in one message stays in its pattern for all later ones: each message gets a process of its own.
  for my $file (@ARGV) {
    my $child = fork() // die "fork: $!";
    if ($child == 0) { look($file); exit 0 }
    waitpid($child, 0);
  }
} else { look($_) for @ARGV }
