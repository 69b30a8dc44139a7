use strict; use warnings; use IO::Socket::INET; use IO::Select;
# HTTP on 8080 (/ = MESSAGE, /ready, /live, /break, /count on a volume), TCP echo on 9000, UDP echo on 9001.
$| = 1; my ($ready, $live) = (1, 1);
my $begun = time; my $delay = $ENV{READY_AFTER} // 0;
$SIG{TERM} = sub { print "got SIGTERM\n"; exit 0 };
my $http = IO::Socket::INET->new(LocalPort => 8080, Listen => 64, ReuseAddr => 1) or die;
my $tcp = IO::Socket::INET->new(LocalPort => 9000, Listen => 64, ReuseAddr => 1) or die;
my $udp = IO::Socket::INET->new(LocalPort => 9001, Proto => 'udp', ReuseAddr => 1) or die;
my $all = IO::Select->new($http, $tcp, $udp); my %echo;
print "started as $ENV{HOSTNAME}\n";
while (1) { for my $s ($all->can_read(1)) {
  if ($s == $udp) { my $peer = recv($udp, my $data, 9000, 0); send($udp, "udp:$data", 0, $peer); next }
  if ($s == $tcp) { my $c = $tcp->accept; $echo{$c} = 1; $all->add($c); next }
  if ($echo{$s}) { my $n = sysread $s, my $data, 4096; if (!$n) { $all->remove($s); delete $echo{$s}; close $s } else { syswrite $s, "tcp:$data" } next }
  my $c = $http->accept or next; my $line = <$c> // ''; while (my $h = <$c>) { last if $h =~ /^\r?\n$/ }
  my (undef, $path) = split ' ', $line; $path //= '/'; my ($code, $body) = (200, $ENV{MESSAGE} // 'hello');
  if ($path eq '/ready') { $code = 503 if !$ready || time - $begun < $delay }
  elsif ($path eq '/live') { $code = 503 unless $live }
  elsif ($path eq '/unready') { $ready = 0 } elsif ($path eq '/dead') { $live = 0 }
  elsif ($path eq '/who') { $body = $ENV{HOSTNAME} }
  elsif ($path eq '/count') { my $n = 0; if (open my $f, '<', '/data/count') { $n = <$f> // 0 } $n++; open my $f, '>', '/data/count' or $code = 500; print $f $n if $f; $body = $n }
  elsif ($path eq '/write') { open(my $f, '>', '/app/written') ? ($body = 'written') : ($body = "refused: $!") }
  elsif ($path =~ m{^/env/(\w+)}) { $body = $ENV{$1} // '' }
  elsif ($path =~ m{^/call/([\w.-]+)/(\d+)}) { my $r = IO::Socket::INET->new(PeerAddr => $1, PeerPort => $2, Timeout => 3); if ($r) { print $r "GET / HTTP/1.0\r\n\r\n"; local $/; my $a = <$r>; $body = "reached: " . (split /\r\n\r\n/, $a)[1] } else { $body = "failed: $!" } }
  print $c "HTTP/1.1 $code X\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body"; close $c;
} }
