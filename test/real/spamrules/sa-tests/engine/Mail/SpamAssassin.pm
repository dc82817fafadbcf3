# Stands in for Mail::SpamAssassin where SpamAssassin's own tests ask the library: the few calls that they make, answered by the engine.
package Mail::SpamAssassin;

use strict;
use warnings;
use Mail::SpamAssassin::PerMsgStatus;

our $VERSION = '4.000001';

# Kinds of rules that a test tells from the others.
our ($TYPE_HEAD_TESTS, $TYPE_HEAD_EVALS) = (8, 9);
*Mail::SpamAssassin::Conf::TYPE_HEAD_TESTS = \$TYPE_HEAD_TESTS;
*Mail::SpamAssassin::Conf::TYPE_HEAD_EVALS = \$TYPE_HEAD_EVALS;
my %TYPES = (head_tests => $TYPE_HEAD_TESTS, head_evals => $TYPE_HEAD_EVALS);

sub Version { return '4.0.1' }

sub new {
  my ($class, $args) = @_;
  return bless { args => $args // {}, conf => bless({}, 'Mail::SpamAssassin::Conf') }, $class;
}

# Where the rules lie: texts given instead of files, or behind them.
sub question {
  my ($self) = @_;
  my %args = %{ $self->{args} };
  my $places = {
    site => $args{site_rules_filename},
    rules => $args{rules_filename},
    user => $args{userprefs_filename},
  };
  $places->{$_} = "$main::cwd/$places->{$_}" for grep { defined $places->{$_} && $places->{$_} !~ m{^/} } keys %$places;
  return (%$places, text => $args{config_text}, after => $args{post_config_text}, local => $args{local_tests_only} ? 1 : 0);
}

sub init {
  my ($self) = @_;
  my $answer = main::ask_engine({ call => 'rules', $self->question });
  my $scores = $answer->{scores};
  for my $name (keys %$scores) {
    $self->{conf}{scoreset}[$_]{$name} = $scores->{$name}[$_] for 0 .. 3;
  }
  $self->{conf}{scores} = { %{ $self->{conf}{scoreset}[0] // {} } };
  $self->{conf}{$_} = $answer->{settings}{$_} for keys %{ $answer->{settings} };
  $self->{conf}{examples} = $answer->{examples};
  $self->{registryboundaries} = bless { main => $self }, 'Mail::SpamAssassin::RegistryBoundaries';
  for (@{ $answer->{kinds} }) {
    my ($name, $priority, $table, $field) = @$_;
    my $flat = $table eq 'meta_tests' || $table eq 'rbl_evals';
    $flat ? ($self->{conf}{$table}{$name} = 1) : ($self->{conf}{$table}{$priority}{$name} = $field);
    $self->{conf}{priorities}{$priority} = 1;
    $self->{conf}{test_types}{$name} = $TYPES{$table} // 1;
  }
  return 1;
}

sub lint_rules {
  my ($self) = @_;
  return scalar @{ main::ask_engine({ call => 'rules', $self->question })->{problems} };
}

sub parse {
  my ($self, $from) = @_;
  my $text;
  if (ref $from eq 'ARRAY') { $text = join('', @$from) }
  elsif (ref $from) { local $/; $text = <$from> }
  else { $text = $from }
  utf8::encode($text) if utf8::is_utf8($text);
  my $facts = main::ask_engine({ call => 'message', mail => $text, $self->question });
  my @leaves = grep { $_->{leaf} } @{ $facts->{parts} };
  return bless { text => $text, main => $self, body_parts => \@leaves, %$facts }, 'Mail::SpamAssassin::Message';
}

sub check {
  my ($self, $mail) = @_;
  my $status = Mail::SpamAssassin::PerMsgStatus->new($self, $mail);
  $status->check;
  return $status;
}

sub finish { }

package Mail::SpamAssassin::Conf;

# `test NAME ok|fail TEXT` lines: the names, or what stands behind one of them.
sub regression_tests {
  my ($self, $name) = @_;
  my @lines = map { /^(\S+)\s+(\S+)\s+(.*)$/s ? [$1, $2, $3] : () } @{ $self->{examples} };
  return map { [@$_[1, 2]] } grep { $_->[0] eq $name } @lines if defined $name;
  my %names = map { $_->[0] => 1 } @lines;
  return sort keys %names;
}

package Mail::SpamAssassin::RegistryBoundaries;

sub uri_to_domain { return main::ask_engine({ call => 'domain', uris => [$_[1]], $_[0]{main}->question }) }

package Mail::SpamAssassin::Message;

sub content_summary { return @{ $_[0]{summary} } }
sub get_header { return scalar Mail::SpamAssassin::PerMsgStatus->new($_[0]{main}, $_[0])->get($_[1]) }
sub get_pristine { return $_[0]{text} }
sub get_pristine_body { return $_[0]{pristine_body} }
sub get_pristine_header { return $_[0]{pristine_headers} }
sub finish { }

sub find_parts {
  my ($self, $type, $leaves) = @_;
  my @found = grep { $_->{type} =~ $type && (!$leaves || $_->{leaf}) } @{ $self->{parts} };
  return map { bless {%$_}, 'Mail::SpamAssassin::Message::Node' } @found;
}

package Mail::SpamAssassin::Message::Node;

sub decode { return $_[0]{decoded} }

1;
