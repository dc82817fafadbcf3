#!/usr/bin/perl
# What the real HTML::Parser and the real renderer make of HTML: reads lines of JSON {"octets": Latin-1 characters, "wide": bool}, prints one
# line each: the events of the tokeniser and all results of the renderer, texts as [octets, wide]. With paths of messages as arguments it reads
# these, and tells of each HTML part also its octets, whether they are wide, and its length before the charset was decoded.
use strict;
use warnings;
no warnings 'utf8';
use JSON::PP;
use HTML::Parser;
use Mail::SpamAssassin;
use Mail::SpamAssassin::HTML;
use Mail::SpamAssassin::Message;
use Mail::SpamAssassin::Logger;

my $json = JSON::PP->new->latin1->canonical->allow_nonref;
$| = 1;
$SIG{__WARN__} = sub { };

# A string as its octets and whether Perl holds it as characters.
sub held {
  my $s = shift;
  return undef unless defined $s;
  my $wide = utf8::is_utf8($s) ? JSON::PP::true : JSON::PP::false;
  utf8::encode($s) if $wide;
  return [$s, $wide];
}

# The same as UTF-8.
# Without characters beyond Latin-1 one octet each: patterns see no difference.
sub narrowest { my $s = shift; utf8::encode($s) if $s =~ /[^\x00-\xff]/; return $s }
sub utf8 { my $s = shift; return undef unless defined $s; utf8::encode($s); return $s }

sub events {
  my ($text) = @_;
  my @seen;
  my $p = HTML::Parser->new(
    api_version => 3,
    handlers => [
      start => [sub { push @seen, ['start', held($_[0])->[0], { map { held($_)->[0] => held($_[1]{$_}) } keys %{ $_[1] } }] }, 'tagname,attr'],
      end => [sub { push @seen, ['end', held($_[0])->[0]] }, 'tagname'],
      text => [sub { push @seen, ['text', held($_[0])] }, 'dtext'],
      comment => [sub { push @seen, ['comment', held($_[0])->[0]] }, 'text'],
      declaration => [sub { push @seen, ['declaration', held($_[0])->[0]] }, 'text'],
      end_document => [sub { push @seen, ['finish'] }, ''],
    ],
    marked_sections => 1);
  $p->utf8_mode(0);
  $p->parse($text);
  $p->eof;
  return \@seen;
}

sub rendered {
  my ($text) = @_;
  my $html = Mail::SpamAssassin::HTML->new(1, 1);
  my $died = 0;
  eval { $html->parse($text); 1 } or $died = 1;
  my $out = results($html->get_results);
  $out->{died} = $died;
  $out->{text} = held($html->get_rendered_text());
  $out->{visible} = held($html->get_rendered_text(invisible => 0));
  $out->{invisible} = held($html->get_rendered_text(invisible => 1));
  return $out;
}

sub results {
  my $r = shift;
  my %out;
  for my $k (keys %$r) {
    my $v = $r->{$k};
    if (!ref $v) { $out{metrics}{$k} = $v + 0 if defined $v }
  }
  $out{$_} = [map { utf8($_) } @{ $r->{$_} // [] }] for qw(title anchor comment script);
  $out{inside} = { map { held($_)->[0] => $r->{inside}{$_} + 0 } keys %{ $r->{inside} // {} } };
  $out{links} = { map { my $d = $r->{uri_detail}{$_}; narrowest($_) => { types => [sort keys %{ $d->{types} // {} }], texts => [map { narrowest($_) } @{ $d->{anchor_text} // [] }] } }
    keys %{ $r->{uri_detail} // {} } };
  return \%out;
}

sub parts {
  my ($file) = @_;
  open my $fh, '<', $file or die "$file: $!";
  binmode $fh;
  my $message = Mail::SpamAssassin::Message->new({ message => do { local $/; <$fh> }, parsenow => 1, normalize => 1 });
  for my $part ($message->find_parts(qr/./, 1)) {
    my ($type) = $part->rendered;
    next unless ($type // '') eq 'text/html';
    my $decoded = $part->decode;
    my $text = Mail::SpamAssassin::Message::Node::_normalize($decoded, $part->{charset} // 'us-ascii', 1);
    my ($octets, $wide) = @{ held($text) };
    my $out = results($part->{html_results});
    $out->{died} = 0;
    $out->{text} = held($part->{rendered});
    $out->{visible} = held($part->{visible_rendered});
    $out->{invisible} = held($part->{invisible_rendered});
    print $json->encode({ file => $file, octets => $octets, wide => $wide, decoded => length $decoded, events => events($text), rendered => $out }), "\n";
  }
  $message->finish;
}

if (@ARGV) {
  parts($_) for @ARGV;
  exit 0;
}
while (my $line = <STDIN>) {
  my $job = $json->decode($line);
  my $text = $job->{octets};
  utf8::downgrade($text);
  utf8::decode($text), utf8::upgrade($text) if $job->{wide};
  my %out;
  $out{events} = events($text) unless $job->{only_render};
  $out{rendered} = rendered($text);
  print $json->encode(\%out), "\n";
}
