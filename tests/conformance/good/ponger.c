/* The agent of the service beside it, in C: correct as far as the rules can tell. */
#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *name, *port;
static char service[4096], pid_file[256];

static const char meta_data[] =
    "<?xml version=\"1.0\"?>\n"
    "<resource-agent name=\"ponger\" version=\"1.0\">\n"
    "<version>1.1</version>\n"
    "<longdesc lang=\"en\">Runs a service that says pong to whoever says ping.</longdesc>\n"
    "<shortdesc lang=\"en\">Says pong</shortdesc>\n"
    "<parameters>\n"
    "<parameter name=\"name\" unique-group=\"name\" required=\"1\">\n"
    "<longdesc lang=\"en\">What this one is called; its pid file is named after it.</longdesc>\n"
    "<shortdesc lang=\"en\">Name</shortdesc>\n"
    "<content type=\"string\"/>\n"
    "</parameter>\n"
    "<parameter name=\"port\" unique-group=\"port\">\n"
    "<longdesc lang=\"en\">The port on 127.0.0.1.</longdesc>\n"
    "<shortdesc lang=\"en\">Port</shortdesc>\n"
    "<content type=\"integer\" default=\"7007\"/>\n"
    "</parameter>\n"
    "<parameter name=\"password\">\n"
    "<longdesc lang=\"en\">Of nobody.</longdesc>\n"
    "<shortdesc lang=\"en\">Password</shortdesc>\n"
    "<content type=\"string\"/>\n"
    "</parameter>\n"
    "</parameters>\n"
    "<actions>\n"
    "<action name=\"start\" timeout=\"20s\"/>\n"
    "<action name=\"stop\" timeout=\"20s\"/>\n"
    "<action name=\"monitor\" timeout=\"20s\" interval=\"10s\" depth=\"0\"/>\n"
    "<action name=\"monitor\" timeout=\"20s\" interval=\"60s\" depth=\"10\"/>\n"
    "<action name=\"meta-data\" timeout=\"5s\"/>\n"
    "<action name=\"validate-all\" timeout=\"20s\"/>\n"
    "</actions>\n"
    "</resource-agent>\n";

__attribute__((format(printf, 2, 3), noreturn)) static void fail(int code, const char *format, ...)
{
	va_list rest;
	va_start(rest, format);
	fputs("ocf-exit-reason:", stderr);
	vfprintf(stderr, format, rest);
	fputs("\n", stderr);
	exit(code);
}

static const char *parameter(const char *variable, const char *otherwise)
{
	const char *value = getenv(variable);
	return value ? value : otherwise;
}

static int only(int (*kind)(int), const char *text)
{
	if (!*text)
		return 0;
	for (; *text; text++)
		if (!kind((unsigned char)*text))
			return 0;
	return 1;
}

static void validate(void)
{
	if (!only(isalnum, name))
		fail(6, "name has to be letters and digits");
	if (!only(isdigit, port))
		fail(6, "port is no number");
}

static void need_root(void)
{
	if (geteuid())
		fail(4, "only root can do that");
}

/* The service's process, or 0; by its arguments, since a pid file may name anything. */
static pid_t found(void)
{
	char path[64], is[8192], wanted[8192];
	int pid;
	FILE *file = fopen(pid_file, "r");
	if (!file)
		return 0;
	int read = fscanf(file, "%d", &pid);
	fclose(file);
	if (read != 1)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
	if (!(file = fopen(path, "r")))
		return 0;
	size_t length = fread(is, 1, sizeof is, file);
	fclose(file);
	int much = snprintf(wanted, sizeof wanted, "/usr/bin/python3%c-IS%c%s%cserve%c%s%c%s", 0, 0,
	                    service, 0, 0, port, 0, pid_file) + 1;
	return length == (size_t)much && !memcmp(is, wanted, length) ? pid : 0;
}

static pid_t run(const char *verb, const char *last)
{
	pid_t child = fork();
	if (child < 0)
		fail(1, "cannot fork");
	if (child)
		return child;
	int nothing = open("/dev/null", O_RDWR);
	for (int number = 0; number < 3; number++)
		dup2(nothing, number);
	execl("/usr/bin/python3", "/usr/bin/python3", "-IS", service, verb, port, last, (char *)NULL);
	_exit(127);
}

static void monitor(void)
{
	pid_t pid = *name ? found() : 0;
	int status;
	if (!pid)
		exit(7);
	if (atoi(parameter("OCF_CHECK_LEVEL", "0")) < 10)
		return;
	waitpid(run("ask", NULL), &status, 0);
	if (status)
		fail(1, "process %d does not say pong on port %s", pid, port);
}

static void start(void)
{
	validate();
	if (access(service, R_OK))
		fail(5, "there is no %s", service);
	need_root();
	if (found())
		return;
	pid_t child = run("serve", pid_file);
	while (!found()) {
		if (waitpid(child, NULL, WNOHANG))
			fail(1, "the service ended at once; is port %s free?", port);
		usleep(50000);
	}
}

static void stop(void)
{
	if (!*name)
		return;
	need_root();
	pid_t pid = found();
	if (pid)
		kill(pid, SIGKILL);
	for (int left = 40; found(); left--) {
		if (!left)
			fail(1, "process %d does not end", pid);
		usleep(50000);
	}
	unlink(pid_file);
}

int main(int count, char **words)
{
	const char *action = count > 1 ? words[1] : "";
	snprintf(service, sizeof service, "%.*spinger.py", (int)(strrchr(words[0], '/') - words[0] + 1),
	         words[0]);
	name = parameter("OCF_RESKEY_name", "");
	port = parameter("OCF_RESKEY_port", "7007");
	snprintf(pid_file, sizeof pid_file, "/run/ponger-%s.pid", name);
	if (!strcmp(action, "meta-data"))
		fputs(meta_data, stdout);
	else if (!strcmp(action, "validate-all"))
		validate();
	else if (!strcmp(action, "monitor"))
		monitor();
	else if (!strcmp(action, "start"))
		start();
	else if (!strcmp(action, "stop"))
		stop();
	else
		fail(3, "there is no action %s", action);
	return 0;
}
