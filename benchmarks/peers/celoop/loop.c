/*
 * What the C servers have in common: one thread, epoll edge-triggered, accept4,
 * recv and send. It is compiled in front of each of them, which defines serve and
 * main. For measuring only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 512, INPUT = 64 << 10 };

static const char *name; /* of the program */
static rlim_t max_fds;
static int epfd;
static char in[INPUT];

/* Handles the events of a connection. */
static void serve(int fd, uint32_t events);

/* Output that the socket did not take; rest is NULL without. */
struct output {
	char *rest;
	size_t from, len;
};

static void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", name, what, strerror(errno));
	exit(1);
}

/* Sends, and keeps what the socket does not take. 0 when the connection is lost. */
static int deliver(int fd, struct output *o, const char *p, size_t n)
{
	ssize_t sent;

	if (o->rest) { /* a second answer before the first has left */
		char *more = realloc(o->rest, o->from + o->len + n);
		if (!more)
			return 0;
		memcpy(more + o->from + o->len, p, n);
		o->rest = more;
		o->len += n;
		return 1;
	}
	sent = send(fd, p, n, MSG_NOSIGNAL);
	if (sent < 0) {
		if (errno != EAGAIN)
			return 0;
		sent = 0;
	}
	if ((size_t)sent < n) {
		o->len = n - sent;
		o->from = 0;
		o->rest = malloc(o->len);
		if (!o->rest)
			return 0;
		memcpy(o->rest, p + sent, o->len);
	}
	return 1;
}

/* 0 when the connection is lost. */
static int flush_rest(int fd, struct output *o)
{
	ssize_t sent = send(fd, o->rest + o->from, o->len, MSG_NOSIGNAL);

	if (sent < 0)
		return errno == EAGAIN;
	o->from += sent;
	o->len -= sent;
	if (!o->len) {
		free(o->rest);
		o->rest = NULL;
	}
	return 1;
}

static void accept_all(int listener)
{
	for (;;) {
		int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };

		if (fd < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			if (errno != EAGAIN)
				die("accept4");
			return;
		}
		if ((rlim_t)fd >= max_fds) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		ev.data.fd = fd;
		if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev))
			die("epoll_ctl");
	}
}

static int listen_on(const char *port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event ev = { .events = EPOLLIN };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	addr.sin_port = htons(atoi(port));
	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&addr, sizeof addr) || listen(fd, 4096))
		die("bind or listen");
	ev.data.fd = fd;
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev))
		die("epoll_ctl");
	return fd;
}

/* Returns memory for one thing of that size for each fd, all zero. */
static void *one_for_each_fd(size_t size)
{
	struct rlimit limit;
	void *all;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		die("getrlimit");
	if (limit.rlim_max > 1 << 20)
		limit.rlim_max = 1 << 20;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("setrlimit");
	max_fds = limit.rlim_cur;
	all = calloc(max_fds, size);
	if (!all)
		die("calloc");
	return all;
}

/* Serves on 127.0.0.1:$PORT, and calls before, if there is one, before each batch. */
static int run(void (*before)(void))
{
	static struct epoll_event events[BATCH];
	const char *port = getenv("PORT");
	int listener;

	if (!port) {
		fprintf(stderr, "%s: PORT is not set\n", name);
		return 1;
	}
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd < 0)
		die("epoll_create1");
	listener = listen_on(port);
	for (;;) {
		int i, n = epoll_wait(epfd, events, BATCH, -1);

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		if (before)
			before();
		for (i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				accept_all(listener);
			else
				serve(events[i].data.fd, events[i].events);
		}
	}
}
