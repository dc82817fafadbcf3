# What the engine's renderer makes of colours and pages, by the names under which SpamAssassin's own tests ask.
package Mail::SpamAssassin::HTML;

use strict;
use warnings;

require SATest;

sub name_to_rgb { return main::ask_engine({ call => 'colour', text => $_[0] }) }
sub target_uri { return main::ask_engine({ call => 'target', uris => [@_] }) }
sub new { return bless {}, $_[0] }

sub parse {
  my ($self, $page) = @_;
  $self->{seen} = main::ask_engine({ call => 'page', mail => $page });
  $self->{results} = $self->{seen}{facts};
}

sub get_rendered_text {
  my ($self, %which) = @_;
  return $self->{seen}{ $which{invisible} ? 'invisible' : 'visible' };
}

1;
