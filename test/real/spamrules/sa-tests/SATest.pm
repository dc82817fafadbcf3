# Stands in for the helper of SpamAssassin's own tests: the same names, so that its *.t files run unchanged, but what they feed goes to the
# engine behind POSTERN_ENGINE (a socket; sa-tests.ts holds its other end), or to the script that SPAMASSASSIN_SCRIPT names, to compare.
package main;

use strict;
use warnings;
use Cwd qw(getcwd);
use File::Basename qw(basename);
use File::Copy qw(copy);
use File::Path qw(make_path rmtree);
use File::Temp qw(tempdir);
use IO::Socket::UNIX;
use JSON::PP;
use Test::More ();

use vars qw($RUNNING_ON_WINDOWS $SSL_AVAILABLE $SKIP_SPAMD_TESTS $SKIP_SPAMC_TESTS $NO_SPAMC_EXE $SKIP_SETUID_NOBODY_TESTS
  $SKIP_DNSBL_TESTS $have_inet4 $have_inet6 $workdir $siterules $localrules $userrules $userstate $keep_workdir $scr $cwd $testname
  $perl_path $perl_cmd $sa_exitcode $current_checkfile $matched_output %patterns %anti_patterns %found %found_anti @files_checked);

$RUNNING_ON_WINDOWS = 0;
$SKIP_SPAMD_TESTS = $SKIP_SPAMC_TESTS = $NO_SPAMC_EXE = $SKIP_SETUID_NOBODY_TESTS = $SKIP_DNSBL_TESTS = 1;
$have_inet4 = 1;
$have_inet6 = $SSL_AVAILABLE = 0;
delete @ENV{qw(IFS CDPATH ENV BASH_ENV)};
$ENV{PATH} = '/bin:/usr/bin';

sub untaint_var {
  my ($text) = @_;
  return undef unless defined $text;
  return $1 if $text =~ /^(.*)\z/s;
}

sub put_text {
  my ($file, $text) = @_;
  open(my $out, '>', $file) or die "cannot write $file: $!";
  print {$out} $text;
  close $out or die "cannot write $file: $!";
}

# Directories as they stand in the source tree of SpamAssassin, filled from those of SA_SITE and SA_RULES.
sub sa_t_init {
  ($testname) = @_;
  $cwd = untaint_var(getcwd());
  $perl_path = $perl_cmd = untaint_var($^X);
  $scr = untaint_var($ENV{SPAMASSASSIN_SCRIPT} // 'spamassassin');
  make_path('log');
  $workdir = untaint_var(tempdir("$testname.XXXXXX", DIR => 'log'));
  ($siterules, $localrules, $userrules, $userstate) = map { "$workdir/$_" } qw(siterules localrules user.cf user_state);
  make_path($siterules, $localrules, $userstate);
  put_text($userrules, '');
  copy_all("$ENV{SA_SITE}/*.pre", $siterules);
  copy_all("$ENV{SA_RULES}/*.cf", $localrules);
  copy_all('data/01_test_rules.*', $localrules);
  put_text("$localrules/99_test_default.cf", "bayes_path ./$userstate/bayes\n");
}

sub copy_all {
  my ($from, $to) = @_;
  for my $file (map { untaint_var($_) } glob(untaint_var($from))) {
    copy($file, "$to/" . basename($file)) or die "cannot copy $file: $!";
  }
}

sub sa_t_finish { }
sub tstfile { put_text("$workdir/mail.txt", $_[0]) }
sub tstprefs { put_text("$localrules/99_test_prefs.cf", $_[0]) }
sub tstlocalrules { put_text("$localrules/99_test_rules.cf", $_[0]) }
sub tstuserprefs { put_text($userrules, $_[0]) }
sub tstpre { put_text("$siterules/zz_test.pre", $_[0]) }

# Leaves the settings that no rule stands in, and what the test itself has written.
sub clear_localrules {
  for my $file (map { untaint_var($_) } glob("$localrules/*.cf")) {
    unlink $file unless $file =~ /\/(?:10_default_prefs|20_aux_tlds|99_test_prefs|99_test_rules)\.cf\z/;
  }
}

sub disable_compat {
  my ($name) = @_;
  open(my $in, '<', "$siterules/init.pre") or die "init.pre: $!";
  my @lines = grep { !/^\s*enable_compat\s+\Q$name\E(?:\s|$)/i } <$in>;
  close $in;
  put_text("$siterules/init.pre", join('', @lines));
}

# One question to the engine: a hash out, a hash back; texts are octets.
sub ask_engine {
  my ($question) = @_;
  my $socket = IO::Socket::UNIX->new(Peer => untaint_var($ENV{POSTERN_ENGINE})) or die "no engine: $!";
  my $json = JSON::PP->new->ascii->allow_nonref;
  print {$socket} $json->encode($question), "\n";
  $socket->flush;
  $socket->shutdown(1);
  my $answer = do { local $/; <$socket> };
  return $json->decode($answer);
}

sub rule_places {
  return { site => "$cwd/$siterules", rules => "$cwd/$localrules", user => "$cwd/$userrules" };
}

sub sarun {
  my ($args, $read) = @_;
  clear_pattern_counters();
  make_path("$workdir/d.$testname");
  my $file = $current_checkfile = "$workdir/d.$testname/" . test_number();
  my $both = $args =~ s/ 2>&1$//;
  if ($ENV{POSTERN_ENGINE}) {
    my $input = $args =~ s/\s*<\s*(\S+)\s*$// ? untaint_var($1) : undef;
    my $answer = ask_engine({ call => 'run', args => $args, mail => octets_of($input), language => language(), %{ rule_places() } });
    print STDERR $answer->{stderr} unless $both;
    put_text($file, said_by_plugins($input) . $answer->{stdout} . ($both ? $answer->{stderr} : ''));
    $sa_exitcode = $answer->{status};
  } else {
    my $places = "-C $localrules --siteconfigpath $siterules -p $userrules";
    untaint_system("$scr $places $args > $file" . ($both ? ' 2>&1' : ''));
    $sa_exitcode = $? >> 8;
  }
  return undef if $sa_exitcode != 0;
  checkfile($file, $read) if defined $read;
  return 1;
}

# The engine runs no Perl: a plugin that only tells what fields a message has is run here, over what the engine says of them.
sub said_by_plugins {
  my ($input) = @_;
  my $rules = -e "$localrules/99_test_prefs.cf" ? octets_of("$localrules/99_test_prefs.cf") : '';
  return '' unless $rules =~ /^\s*loadplugin\s+(Dumpheaders)\s+(\S+)/m;
  my ($name, $path) = map { untaint_var($_) } $1, "$cwd/$localrules/$2";
  require Mail::SpamAssassin::Plugin;
  require $path;
  my $sa = create_saobj();
  my $status = Mail::SpamAssassin::PerMsgStatus->new($sa, $sa->parse(octets_of($input)));
  my $said = '';
  open(my $out, '>', \$said) or die $!;
  my $before = select $out;
  local *STDOUT = $out;
  $name->new($sa)->check_end({ permsgstatus => $status });
  select $before;
  return $said;
}

sub octets_of {
  my ($path) = @_;
  return '' unless defined $path;
  open(my $in, '<:raw', $path) or die "$path: $!";
  local $/;
  my $text = <$in>;
  return $text;
}

sub language {
  for my $name (qw(LANGUAGE LC_ALL LC_MESSAGES LANG)) {
    return $ENV{$name} if $ENV{$name};
  }
  return 'en_US';
}

sub checkfile {
  my ($file, $read) = @_;
  open(main::IN, '<', $file) or die "$file: $!";
  push @files_checked, $file;
  $read->();
  close main::IN;
}

# A pattern is either qr// or words between which any white space may stand.
sub is_in {
  my ($text, $pattern) = @_;
  return scalar($text =~ $pattern) if index($pattern, '(?^') == 0;
  my $words = join('\s+', map { quotemeta } split(/\s+/, $pattern, -1));
  return scalar($text =~ /$words/);
}

sub patterns_run_cb {
  my ($text) = @_;
  $text = join('', <main::IN>) unless defined $text;
  $matched_output = $text;
  for ([\%patterns, \%found], [\%anti_patterns, \%found_anti]) {
    my ($wanted, $seen) = @$_;
    for my $pattern (sort keys %$wanted) {
      $wanted->{$pattern} = $pattern if $wanted->{$pattern} eq '';
      $seen->{ $wanted->{$pattern} }++ if is_in($text, $pattern);
    }
  }
}

sub ok_all_patterns {
  my ($silent) = @_;
  my $failed = 0;
  for ([\%patterns, \%found, 1], [\%anti_patterns, \%found_anti, 0]) {
    my ($wanted, $seen, $right) = @$_;
    for my $pattern (sort keys %$wanted) {
      my $passed = ($seen->{ $wanted->{$pattern} } // 0) == $right;
      $failed++ unless $passed;
      next if $silent;
      (my $name = ($right ? '' : 'not ') . $pattern) =~ s/[^ -~]+/ /g;
      Test::More::ok($passed, substr($name, 0, 100));
    }
  }
  return $failed == 0;
}

sub clear_pattern_counters {
  %found = %found_anti = @files_checked = ();
}

# Tests that take long run; those that need the network, a root or another server do not.
sub conf { return $_[0] =~ /^run_(?:long|rule_name|pl)_tests$/ ? 'y' : undef }
sub conf_bool { return defined conf($_[0]) ? 1 : 0 }
sub can_use_net_dns_safely { return 0 }
sub test_number { return Test::More->builder->current_test }
sub untaint_system { return system(map { untaint_var($_) } @_) }

sub untaint_cmd {
  open(my $in, '-|', untaint_var($_[0])) or return '';
  local $/;
  return scalar <$in>;
}

sub create_saobj {
  my ($more) = @_;
  require Mail::SpamAssassin;
  return Mail::SpamAssassin->new({
    rules_filename => $localrules,
    site_rules_filename => $siterules,
    userprefs_filename => $userrules,
    userstate_dir => $userstate,
    local_tests_only => 1,
    %{ $more // {} },
  });
}

END { rmtree($workdir) if defined $workdir && !$keep_workdir }

1;
