# What a plugin of SpamAssassin's own tests needs to be loaded.
package Mail::SpamAssassin::Plugin;

use strict;
use warnings;

sub new {
  my ($class, $sa) = @_;
  return bless { main => $sa }, ref $class || $class;
}

sub register_method_priority { }
sub register_eval_rule { }

1;
