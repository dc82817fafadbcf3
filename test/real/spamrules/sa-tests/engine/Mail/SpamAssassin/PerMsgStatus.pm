# What the engine says of one message, by the names under which SpamAssassin's own tests ask.
package Mail::SpamAssassin::PerMsgStatus;

use strict;
use warnings;

sub new {
  my ($class, $sa, $mail) = @_;
  return bless { main => $sa, conf => $sa->{conf}, msg => $mail, test_names_hit => [] }, $class;
}

sub ask {
  my ($self, $call, %more) = @_;
  return main::ask_engine({ call => $call, mail => $self->{msg}{text}, $self->{main}->question, %more });
}

sub check {
  my ($self) = @_;
  $self->{found} = $self->ask('check', $self->changed_scores);
  $self->{test_names_hit} = $self->{found}{names};
  $self->{score} = $self->{found}{total};
}

# What a test has written into the table of scores, as lines of rules.
sub changed_scores {
  my ($self) = @_;
  my ($now, $before) = ($self->{conf}{scores}, $self->{conf}{scoreset}[0]);
  my @changed = grep { $now->{$_} != 0 && $now->{$_} != $before->{$_} } sort keys %$now;
  return @changed ? (after => join('', map { "score $_ $now->{$_}\n" } @changed)) : ();
}

sub get {
  my ($self, $field, $default) = @_;
  my @found = @{ $self->ask('get', field => $field) };
  utf8::decode(my $copy = $_) for @found;
  return wantarray ? @found : $default unless @found && !wantarray;
  return join('', @found) unless $field =~ /:(?:addr|name|host|domain|ip|revip)\b/ || $field eq 'EnvelopeFrom';
  return $found[0] =~ s/\n\z//r;
}

sub get_names_of_tests_hit { return join(',', sort @{ $_[0]{found}{names} }) }
sub get_names_of_subtests_hit { return join(',', sort @{ $_[0]{found}{subrules} }) }
sub get_score { return $_[0]{score} }
sub rewrite_mail { return $_[0]{found}{mail} }
sub get_report { return $_[0]{found}{report} }
sub get_decoded_body_text_array { return $_[0]{msg}{rawbody} }
sub get_decoded_stripped_body_text_array { return $_[0]{msg}{body} }
sub get_uri_list { return @{ $_[0]{msg}{uris} } }
sub get_uri_detail_list { return $_[0]{msg}{details} }
sub finish { }

1;
