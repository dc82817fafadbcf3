# What the engine makes of patterns, dates and addresses, by the names under which SpamAssassin's own tests ask.
package Mail::SpamAssassin::Util;

use strict;
use warnings;
use Exporter 'import';

our @EXPORT_OK = qw(compile_regexp);
our $header_address_parser = 1;

sub parse_rfc822_date { return main::ask_engine({ call => 'date', text => $_[0] }) }

sub uri_list_canonicalize {
  my (undef, $uris, $boundaries) = @_;
  return @{ main::ask_engine({ call => 'spellings', uris => $uris, $boundaries->{main}->question }) };
}

sub compile_regexp {
  my ($pattern, $delimited) = @_;
  my $error = main::ask_engine({ call => 'pattern', text => $pattern, delimited => $delimited ? 1 : 0 });
  return defined $error ? (undef, $error) : (1, undef);
}

1;
