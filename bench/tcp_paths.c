/*
 * tcp_paths - what a way for TCP costs: a server of three services, and a client
 * that measures them.
 *
 *	tcp_paths serve PORT          on 127.0.0.1; the first byte says what it is to be
 *	tcp_paths measure HOST PORT   prints RTT (us), connect and one byte (us), up and
 *	                              down (Gbit/s)
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PINGS    2000
#define CONNECTS 400
#define BULK     (512ull << 20)
#define CHUNK    (128 << 10)

static char chunk[CHUNK];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void no_delay(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void serve_one(int fd)
{
	unsigned long long left = BULK;
	char what;
	ssize_t n;

	no_delay(fd);
	if (read(fd, &what, 1) != 1)
		return;
	if (what == 'e') /* echo */
		while (write(fd, &what, 1) == 1 && read(fd, &what, 1) == 1)
			;
	else if (what == 'u') /* take all, and say that it came */
		while (left > 0 && (n = read(fd, chunk, sizeof(chunk))) > 0)
			left -= (unsigned long long)n;
	else
		while (left > 0 && (n = write(fd, chunk, sizeof(chunk))) > 0)
			left -= (unsigned long long)n;
	if (what == 'u' && write(fd, &what, 1) != 1)
		return;
}

static void serve(const char *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
	                         .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
	                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int sock = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(sock, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(sock, 1024) < 0)
		die("listen");
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(sock, NULL, NULL);

		if (fd >= 0 && fork() == 0) {
			serve_one(fd);
			_exit(0);
		}
		close(fd);
	}
}

static int dial(const struct addrinfo *to)
{
	int fd = socket(to->ai_family, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, to->ai_addr, to->ai_addrlen) < 0)
		die("connect");
	no_delay(fd);
	return fd;
}

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *samples, size_t count)
{
	qsort(samples, count, sizeof(*samples), compare);
	return samples[count / 2];
}

static void ping(int fd)
{
	char byte = 'e';

	if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
		die("ping");
}

static double bulk(const struct addrinfo *to, char what)
{
	unsigned long long left = BULK;
	int fd = dial(to);
	double began = now_us();
	ssize_t n;

	if (write(fd, &what, 1) != 1)
		die("write");
	while (left > 0) {
		n = what == 'u' ? write(fd, chunk, sizeof(chunk)) : read(fd, chunk, sizeof(chunk));
		if (n <= 0)
			die("bulk");
		left -= (unsigned long long)n;
	}
	if (what == 'u' && read(fd, &what, 1) != 1)
		die("acknowledgement");
	close(fd);
	return (double)BULK * 8 / (now_us() - began) / 1e3;
}

static void measure(const char *host, const char *port)
{
	static double samples[PINGS];
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *to;
	double rtt, began;
	int fd;

	if (getaddrinfo(host, port, &hints, &to) != 0)
		die(host);
	fd = dial(to);
	for (int i = 0; i < PINGS; i++) {
		began = now_us();
		ping(fd);
		samples[i] = now_us() - began;
	}
	close(fd);
	rtt = median(samples, PINGS);
	for (int i = 0; i < CONNECTS; i++) {
		began = now_us();
		fd = dial(to);
		ping(fd);
		samples[i] = now_us() - began;
		close(fd);
	}
	printf("%.1f %.1f %.2f %.2f\n", rtt, median(samples, CONNECTS), bulk(to, 'u'),
	       bulk(to, 'd'));
	freeaddrinfo(to);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(argv[2]);
	if (argc != 4 || strcmp(argv[1], "measure") != 0) {
		fprintf(stderr, "usage: tcp_paths serve PORT | measure HOST PORT\n");
		return 2;
	}
	measure(argv[2], argv[3]);
	return 0;
}
