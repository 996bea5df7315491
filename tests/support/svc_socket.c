/* Ports, and what is told to NOTIFY_SOCKET. */
#include "svc.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void listen_on(struct svc *svc, char **args)
{
	const char *text = args[0] ? args[0] : getenv("PORT");
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (!text) {
		dprintf(STDERR_FILENO, "svc: PORT is not set\n");
		_exit(2);
	}
	address.sin_port = htons((uint16_t)svc_number(text, 0, 65535));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || svc->nlistening == SVC_LISTEN_MAX)
		svc_die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 128) < 0)
		svc_die(text);
	getsockname(fd, (struct sockaddr *)&address, &size);
	svc->listening[svc->nlistening++] = fd;
	svc_say(svc, "listening on %d", ntohs(address.sin_port));
}

static void unlisten(struct svc *svc, char **args)
{
	while (svc->nlistening > 0)
		close(svc->listening[--svc->nlistening]);
}

/* One short HTTP answer with our pid, whatever was asked. */
static void answer(int listening)
{
	int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	struct pollfd asked = {.fd = fd, .events = POLLIN};
	char request[4096], body[32];
	int len = snprintf(body, sizeof(body), "%d\n", (int)getpid());

	if (fd < 0)
		return;
	/* A probe that only connects sends nothing, and is not waited for. */
	if (poll(&asked, 1, 200) == 1 && recv(fd, request, sizeof(request), 0) > 0)
		dprintf(fd, "HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s", len, body);
	close(fd);
}

void svc_serve(struct svc *svc, int signo)
{
	struct pollfd polled[SVC_LISTEN_MAX + 1];
	struct signalfd_siginfo info;
	sigset_t awaited;

	sigemptyset(&awaited);
	if (signo)
		sigaddset(&awaited, signo);
	sigprocmask(SIG_BLOCK, &awaited, NULL);
	for (int i = 0; i < svc->nlistening; i++)
		polled[i] = (struct pollfd){.fd = svc->listening[i], .events = POLLIN};
	polled[svc->nlistening] =
		(struct pollfd){.fd = signalfd(-1, &awaited, SFD_CLOEXEC), .events = POLLIN};
	while (!polled[svc->nlistening].revents) {
		if (poll(polled, (nfds_t)svc->nlistening + 1, -1) < 0)
			continue;
		for (int i = 0; i < svc->nlistening; i++)
			if (polled[i].revents)
				answer(polled[i].fd);
	}
	(void)!read(polled[svc->nlistening].fd, &info, sizeof(info));
	close(polled[svc->nlistening].fd);
}

static void serve(struct svc *svc, char **args)
{
	svc_serve(svc, svc_signal(args[0]));
}

static void notify_now(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t len;

	if (!path || strlen(path) >= sizeof(address.sun_path)) {
		errno = ENOENT;
		svc_die("NOTIFY_SOCKET");
	}
	len = strlen(path);
	memcpy(address.sun_path, path, len);
	if (address.sun_path[0] == '@')
		address.sun_path[0] = '\0';
	if (fd < 0 || sendto(fd, text, strlen(text), 0, (struct sockaddr *)&address,
	                     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		svc_die("NOTIFY_SOCKET");
	close(fd);
}

/* `text` with \n for newlines, from a process so many generations below. */
static void notify(struct svc *svc, char **args)
{
	uint64_t depth = args[1] ? svc_number(args[1], 0, 100) : 0;
	char text[4096];
	size_t len = 0;
	int status;
	pid_t child;

	for (const char *c = args[0]; *c && len < sizeof(text) - 1; c++) {
		bool is_newline = c[0] == '\\' && c[1] == 'n';

		text[len++] = is_newline ? '\n' : *c;
		c += is_newline;
	}
	text[len] = '\0';
	if (depth == 0) {
		notify_now(text);
		return;
	}
	child = svc_fork();
	if (child > 0) {
		waitpid(child, &status, 0);
		return;
	}
	while (--depth > 0) {
		child = svc_fork();
		if (child > 0) {
			waitpid(child, &status, 0);
			_exit(0);
		}
	}
	notify_now(text);
	_exit(0);
}

const struct svc_step svc_socket_steps[] = {
	{"listen", "[PORT]", "on 127.0.0.1:PORT ($PORT; 0: any); says `listening on N`; see wait",
         0, 1, listen_on},
	{"serve", "SIGNAL", "answer on the ports it listens on until this signal", 1, 1, serve},
	{"unlisten", "", "close what listens", 0, 0, unlisten},
	{"notify", "TEXT [DEPTH]",
         "send TEXT (\\n: newline) to NOTIFY_SOCKET from a process so many generations below", 1, 2,
         notify},
	{0},
};
