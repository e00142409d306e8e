/*
 * cepoll is the floor of what a readiness-based HTTP server can cost: one
 * thread, epoll edge-triggered, recv and send. It answers each blank line that
 * ends a request with the same plain text, whatever was asked, and parses
 * nothing else: a body is not skipped, an error is not told. For measuring only.
 *
 *     PORT=8080 cepoll
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 512, INPUT = 64 << 10, SHORTEST_REQUEST = 2 };

/* What was seen of the line that is not complete yet. */
enum line { EMPTY, ONLY_CR, TEXT };

struct conn {
	enum line line;
	char *rest; /* output that the socket did not take; NULL without */
	size_t rest_from, rest_len;
};

static struct conn *conns; /* by fd */
static rlim_t max_fds;
static int epfd;
static char in[INPUT];
static char answer[256];
static size_t answer_len;
static char *out; /* the answers to one recv */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Makes the answer again when the second has changed. */
static void set_date(void)
{
	static time_t at;
	struct timespec now;
	char date[64];
	struct tm tm;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (now.tv_sec == at)
		return;
	at = now.tv_sec;
	gmtime_r(&at, &tm);
	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	answer_len = snprintf(answer, sizeof answer,
		"HTTP/1.1 200 OK\r\nServer: cepoll\r\nDate: %s\r\n"
		"Content-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!", date);
}

static void drop(int fd)
{
	free(conns[fd].rest);
	memset(&conns[fd], 0, sizeof conns[fd]);
	close(fd);
}

/* Counts the blank lines in n bytes; a line may have begun in an earlier recv. */
static size_t blank_lines(struct conn *c, const char *p, size_t n)
{
	const char *end = p + n;
	size_t count = 0;

	while (p < end) {
		const char *lf = memchr(p, '\n', end - p);
		if (!lf) {
			c->line = c->line == EMPTY && end - p == 1 && *p == '\r' ? ONLY_CR : TEXT;
			break;
		}
		count += (c->line == EMPTY && lf - p == 1 && *p == '\r') || (c->line == ONLY_CR && lf == p);
		c->line = EMPTY;
		p = lf + 1;
	}
	return count;
}

/* Sends, and keeps what the socket does not take. 0 when the connection is lost. */
static int deliver(int fd, struct conn *c, const char *p, size_t n)
{
	ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

	if (sent < 0) {
		if (errno != EAGAIN)
			return 0;
		sent = 0;
	}
	if ((size_t)sent < n) {
		c->rest_len = n - sent;
		c->rest_from = 0;
		c->rest = malloc(c->rest_len);
		if (!c->rest)
			return 0;
		memcpy(c->rest, p + sent, c->rest_len);
	}
	return 1;
}

/* 0 when the connection is lost. */
static int flush_rest(int fd, struct conn *c)
{
	ssize_t sent = send(fd, c->rest + c->rest_from, c->rest_len, MSG_NOSIGNAL);

	if (sent < 0)
		return errno == EAGAIN;
	c->rest_from += sent;
	c->rest_len -= sent;
	if (!c->rest_len) {
		free(c->rest);
		c->rest = NULL;
	}
	return 1;
}

/*
 * Reads and answers until the socket is drained or takes no more. With a hang-up
 * announced only a recv of 0 or an error is the end: edge-triggered, there is no
 * further event.
 */
static void serve(int fd, uint32_t events)
{
	struct conn *c = &conns[fd];
	int ends = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);

	if (c->rest && !flush_rest(fd, c))
		return drop(fd);
	while (!c->rest) {
		ssize_t n = recv(fd, in, INPUT, 0);
		size_t count, i;

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			return drop(fd);
		count = blank_lines(c, in, n);
		if (count == 1) {
			if (!deliver(fd, c, answer, answer_len))
				return drop(fd);
		} else if (count) {
			for (i = 0; i < count; i++)
				memcpy(out + i * answer_len, answer, answer_len);
			if (!deliver(fd, c, out, count * answer_len))
				return drop(fd);
		}
		if (n < INPUT && !ends)
			return;
	}
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
				die("cepoll: accept4");
			return;
		}
		if ((rlim_t)fd >= max_fds) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		ev.data.fd = fd;
		if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev))
			die("cepoll: epoll_ctl");
	}
}

static int listen_on(const char *port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event ev = { .events = EPOLLIN };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	addr.sin_port = htons(atoi(port));
	if (fd < 0)
		die("cepoll: socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&addr, sizeof addr) || listen(fd, 4096))
		die("cepoll: bind or listen");
	ev.data.fd = fd;
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev))
		die("cepoll: epoll_ctl");
	return fd;
}

static void make_room(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		die("cepoll: getrlimit");
	if (limit.rlim_max > 1 << 20)
		limit.rlim_max = 1 << 20;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("cepoll: setrlimit");
	max_fds = limit.rlim_cur;
	conns = calloc(max_fds, sizeof *conns);
	out = malloc((INPUT / SHORTEST_REQUEST + 1) * sizeof answer);
	if (!conns || !out)
		die("cepoll: malloc");
}

int main(void)
{
	static struct epoll_event events[BATCH];
	const char *port = getenv("PORT");
	int listener;

	if (!port) {
		fputs("cepoll: PORT is not set\n", stderr);
		return 1;
	}
	make_room();
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd < 0)
		die("cepoll: epoll_create1");
	listener = listen_on(port);
	for (;;) {
		int i, n = epoll_wait(epfd, events, BATCH, -1);

		if (n < 0 && errno != EINTR)
			die("cepoll: epoll_wait");
		set_date();
		for (i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				accept_all(listener);
			else
				serve(events[i].data.fd, events[i].events);
		}
	}
}
