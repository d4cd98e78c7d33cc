#!/usr/bin/perl
# The agent of the service beside it, in Perl: correct as far as the rules can tell.
use strict;
use warnings;

my ($here) = $0 =~ m{^(.*)/};
my $service = "$here/pinger.py";
my @python = ('/usr/bin/python3', '-IS', $service);
my $name = $ENV{OCF_RESKEY_name} // '';
my $port = $ENV{OCF_RESKEY_port} // 7007;
my $pid_file = "/run/ponger-$name.pid";
my @command = (@python, 'serve', $port, $pid_file);

my $meta_data = <<'XML';
<?xml version="1.0"?>
<resource-agent name="ponger" version="1.0">
<version>1.1</version>
<longdesc lang="en">Runs a service that says pong to whoever says ping.</longdesc>
<shortdesc lang="en">Says pong</shortdesc>
<parameters>
<parameter name="name" unique-group="name" required="1">
<longdesc lang="en">What this one is called; its pid file is named after it.</longdesc>
<shortdesc lang="en">Name</shortdesc>
<content type="string"/>
</parameter>
<parameter name="port" unique-group="port">
<longdesc lang="en">The port on 127.0.0.1.</longdesc>
<shortdesc lang="en">Port</shortdesc>
<content type="integer" default="7007"/>
</parameter>
<parameter name="password">
<longdesc lang="en">Of nobody.</longdesc>
<shortdesc lang="en">Password</shortdesc>
<content type="string"/>
</parameter>
</parameters>
<actions>
<action name="start" timeout="20s"/>
<action name="stop" timeout="20s"/>
<action name="monitor" timeout="20s" interval="10s" depth="0"/>
<action name="monitor" timeout="20s" interval="60s" depth="10"/>
<action name="meta-data" timeout="5s"/>
<action name="validate-all" timeout="20s"/>
</actions>
</resource-agent>
XML

sub fail {
	my ($code, $reason) = @_;
	print STDERR "ocf-exit-reason:$reason\n";
	exit $code;
}

sub content {
	my ($path) = @_;
	open my $file, '<', $path or return '';
	local $/;
	return <$file> // '';
}

sub validate {
	$name =~ /^\w+\z/ or fail(6, 'name has to be letters and digits');
	$port =~ /^\d+\z/ or fail(6, 'port is no number');
}

# The service's process; by its arguments, since a pid file may name anything.
sub found {
	my ($pid) = content($pid_file) =~ /^(\d+)$/ or return;
	return $pid if content("/proc/$pid/cmdline") eq join '', map {"$_\0"} @command;
	return;
}

sub monitor {
	my $pid = found() or exit 7;
	return if ($ENV{OCF_CHECK_LEVEL} // 0) < 10;
	my $asked = quietly(@python, 'ask', $port);
	$asked == 0 or fail(1, "process $pid does not say pong on port $port");
}

# Wait for a program that has no output, and return how it ended.
sub quietly {
	my $child = run(@_);
	waitpid $child, 0;
	return $?;
}

sub run {
	my @words = @_;
	my $child = fork // fail(1, "cannot fork: $!");
	return $child if $child;
	open STDIN, '<', '/dev/null';
	open STDOUT, '>', '/dev/null';
	open STDERR, '>', '/dev/null';
	exec @words or exit 127;
}

sub need_root {
	$> == 0 or fail(4, 'only root can do that');
}

sub start {
	validate();
	-e $service or fail(5, "there is no $service");
	need_root();
	return if found();
	my $child = run(@command);
	until (found()) {
		waitpid($child, 1) == 0 or fail(1, "the service ended at once; is port $port free?");
		select undef, undef, undef, 0.05;
	}
}

sub stop {
	return if $name eq '';
	need_root();
	my $until = time + 2;
	my $pid = found();
	kill 'KILL', $pid if $pid;
	while (found()) {
		time < $until or fail(1, "process $pid does not end");
		select undef, undef, undef, 0.05;
	}
	unlink $pid_file;
}

my %actions = (
	'meta-data' => sub { print $meta_data },
	'validate-all' => \&validate,
	monitor => sub { $name eq '' ? exit 7 : monitor() },
	start => \&start,
	stop => \&stop,
);

my $action = $actions{$ARGV[0]} or fail(3, "there is no action $ARGV[0]");
$action->();
exit 0;
