#!/usr/bin/perl
# What the real SpamAssassin's Bayes makes of messages. One JSON line per file: the tokens that it would learn and would look up, the ids by
# which it knows the message, and what they are cut from; octets as Latin-1 characters.
#   bayes.pl [--cf TEXT]… tokens FILE… | -
#   bayes.pl --learn LIST --score LIST      (lines "s PATH" or "h PATH"): learns the first, prints a chance for each of the second
use strict;
use warnings;
use Getopt::Long;
use JSON::PP;
use File::Temp;
use Time::HiRes qw(clock_gettime CLOCK_PROCESS_CPUTIME_ID);
use Mail::SpamAssassin;
use Mail::SpamAssassin::Util;

my ($learn, $score, @cf);
GetOptions('cf=s' => \@cf, 'learn=s' => \$learn, 'score=s' => \$score) or exit 2;
my $dir = File::Temp->newdir;
my $sa = Mail::SpamAssassin->new({
  rules_filename => '/usr/share/spamassassin', site_rules_filename => '/etc/spamassassin', userprefs_filename => '/dev/null',
  dont_copy_prefs => 1, userstate_dir => "$dir", home_dir_for_helpers => "$dir", local_tests_only => 1, debug => 0,
  post_config_text => join("\n", 'use_bayes 1', 'bayes_auto_learn 0', 'bayes_auto_expire 0', "bayes_path $dir/bayes", @cf, ''),
});
$sa->init(1);
$sa->init_learner({ force_expire => 0, learn_to_journal => 0, caller_will_untie => 1, wait_for_lock => 1 });
my $bayes = $sa->call_plugins('learner_get_implementation');
my $json = JSON::PP->new->latin1->canonical->allow_nonref;
$| = 1;

sub text_of { my ($file) = @_; open my $fh, '<', $file or die "$file: $!"; binmode $fh; local $/; return <$fh> }
sub octets { my $s = shift; return undef unless defined $s; utf8::encode($s) if utf8::is_utf8($s) && $s =~ /[^\x00-\xff]/; $s }

sub tokens {
  my ($file) = @_;
  my $mail = $sa->parse(text_of($file), 1);
  my $data = $bayes->get_body_from_msg($mail);
  my $learned = $bayes->tokenize($mail, $data);
  my $pms = Mail::SpamAssassin::PerMsgStatus->new($sa, $mail);
  $pms->extract_message_metadata;
  my $looked_up = $bayes->tokenize($mail, $bayes->_get_msgdata_from_permsgstatus($pms));
  my @fields = $mail->get_all_headers;
  my %addresses;
  for (@fields) {
    my ($name, $value) = split /:/, $_, 2;
    next unless $name =~ /^(?:|X-|Resent-)(?:Return-Path|From|To|Cc|Reply-To|Errors-To|Mail-Followup-To|Sender)$/i;
    chomp $value;
    $addresses{$value} = [map { { phrase => octets($_->{phrase}), address => octets($_->{address}) } } Mail::SpamAssassin::Util::parse_header_addresses($value)];
  }
  my %out = (
    file => $file, ids => [grep { defined } $mail->generate_msgid, $mail->get_msgid], received => $mail->receive_date,
    learned => [sort map { octets($_) } values %$learned], looked_up => [sort map { octets($_) } values %$looked_up],
    token_ids => { map { octets($learned->{$_}) => unpack('H*', $_) } keys %$learned },
    fields => [map { octets($_) } @fields], facts => [map { octets($_) } $mail->get_all_metadata],
    visible => [map { octets($_) } @{ $data->{bayes_token_body} }], invisible => [map { octets($_) } @{ $data->{bayes_token_inviz} }],
    uris => [map { octets($_) } @{ $data->{bayes_token_uris} }], addresses => \%addresses,
  );
  print $json->encode(\%out), "\n";
  $pms->finish;
  $mail->finish;
}

sub listed { my ($list) = @_; return map { chomp; [split / /, $_, 2] } do { open my $fh, '<', $list or die "$list: $!"; <$fh> } }

if (defined $learn) {
  my $start = clock_gettime(CLOCK_PROCESS_CPUTIME_ID);
  for (listed($learn)) {
    my ($class, $file) = @$_;
    my $mail = $sa->parse(text_of($file), 1);
    $sa->learn($mail, undef, $class eq 's' ? 1 : 0, 0)->finish;
    $mail->finish;
  }
  my $learned = clock_gettime(CLOCK_PROCESS_CPUTIME_ID);
  for (listed($score)) {
    my ($class, $file) = @$_;
    my $mail = $sa->parse(text_of($file), 1);
    my $pms = Mail::SpamAssassin::PerMsgStatus->new($sa, $mail);
    $pms->extract_message_metadata;
    my $chance = $bayes->scan($pms, $mail);
    print $json->encode({ file => $file, class => $class, chance => defined $chance ? $chance + 0 : undef }), "\n";
    $pms->finish;
    $mail->finish;
  }
  my ($ns, $nh) = $bayes->{store}->nspam_nham_get;
  my @vars = $bayes->{store}->get_storage_variables;
  print $json->encode({ spam => $ns + 0, ham => $nh + 0, tokens => $vars[3] + 0, learning => $learned - $start,
    scoring => clock_gettime(CLOCK_PROCESS_CPUTIME_ID) - $learned }), "\n";
}
elsif (($ARGV[0] // '') eq 'tokens') {
  shift @ARGV;
  if (@ARGV == 1 && $ARGV[0] eq '-') { while (my $line = <STDIN>) { chomp $line; tokens($line) } }
  else { tokens($_) for @ARGV }
}
else { die "bayes.pl tokens FILE… | --learn LIST --score LIST\n" }
