# Signs or checks a message on standard input with Mail::DKIM, with no DNS: the key lies beside it.
# perl dkim.pl sign KEYFILE > signed   |   perl dkim.pl verify KEYFILE  (prints pass, or why not)
use strict;
use warnings;
use Mail::DKIM::Signer;
use Mail::DKIM::Verifier;
use Mail::DKIM::PublicKey;
use Crypt::OpenSSL::RSA;

my ($what, $keyfile) = @ARGV;
binmode STDIN;
binmode STDOUT;
my $message = do { local $/; <STDIN> };

if ($what eq 'sign') {
  my $dkim = Mail::DKIM::Signer->new(
    Algorithm => 'rsa-sha256', Method => 'simple/simple',
    Domain => 'sender.example', Selector => 'lab', KeyFile => $keyfile,
  );
  $dkim->PRINT($message);
  $dkim->CLOSE;
  print $dkim->signature->as_string, "\r\n", $message;
} else {
  open my $fh, '<', $keyfile or die $!;
  my $private = Crypt::OpenSSL::RSA->new_private_key(do { local $/; <$fh> });
  my $public = $private->get_public_key_x509_string;
  $public =~ s/-----[^-]+-----|\s//g;
  no warnings 'redefine';
  # What fetch_async passes to its callback after a DNS answer.
  *Mail::DKIM::PublicKey::fetch_async = sub {
    my ($class, %arg) = @_;
    my $key = $class->parse("v=DKIM1; k=rsa; p=$public");
    return sub { $arg{Callbacks}{Success}->($key) };
  };
  my $dkim = Mail::DKIM::Verifier->new;
  $dkim->PRINT($message);
  $dkim->CLOSE;
  print $dkim->result_detail, "\n";
}
