# Verifies every DKIM signature of the message on standard input with Mail::DKIM, asking the DNS server at PORT on 127.0.0.1.
# perl dkim-verify.pl PORT  (prints a line per signature: "pass rsa-sha256 d=example.com s=s1")
use strict;
use warnings;
use Mail::DKIM::Verifier;
use Mail::DKIM::DNS;
use Net::DNS::Resolver;

my ($port) = @ARGV;
binmode STDIN;
Mail::DKIM::DNS::resolver(
  Net::DNS::Resolver->new(nameservers => ['127.0.0.1'], port => $port, recurse => 1, udp_timeout => 3, tcp_timeout => 3));
my $message = do { local $/; <STDIN> };
my $dkim = Mail::DKIM::Verifier->new;
$dkim->PRINT($message);
$dkim->CLOSE;
for my $signature ($dkim->signatures) {
  printf "%s %s d=%s s=%s\n", $signature->result_detail, $signature->algorithm, $signature->domain, $signature->selector;
}
