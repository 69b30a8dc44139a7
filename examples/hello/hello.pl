#!/usr/bin/perl
# A small web server: answers every request, finishes what it has begun when it is told to stop.
use strict;
use warnings;
use IO::Socket::INET;
use POSIX ':sys_wait_h';

my $message = $ENV{MESSAGE} // 'Hello from Berth!';
my $port    = $ENV{PORT}    // 8080;
my $running = 1;
$SIG{TERM} = $SIG{INT} = sub { $running = 0 };
$SIG{CHLD} = sub { 1 while waitpid(-1, WNOHANG) > 0 };
$| = 1;

my $server = IO::Socket::INET->new(LocalPort => $port, Listen => 128, ReuseAddr => 1) or die "cannot listen on port $port: $!\n";
print "Listening on port $port\n";

while ($running) {
    my $client = $server->accept or next;
    my $child = fork;
    next if $child;
    $SIG{TERM} = 'IGNORE';
    answer($client);
    exit 0;
}
close $server;
1 while wait > 0;
print "Stopped\n";

sub answer {
    my ($client) = @_;
    while (my $line = <$client>) {
        my ($method, $path) = split ' ', $line;
        my $length = 0;
        while (my $header = <$client>) {
            last if $header =~ /^\r?\n$/;
            $length = $1 if $header =~ /^content-length:\s*(\d+)/i;
        }
        read $client, my $discarded, $length if $length;
        select undef, undef, undef, $1 / 1000 if ($path // '') =~ m{^/slow/(\d{1,5})};
        my $body = "$message\n";
        print $client "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body";
        print "$method $path\n";
        last;
    }
    close $client;
}
