/*
 * cepoll is the floor of what a readiness-based HTTP server can cost: one
 * thread, epoll edge-triggered, recv and send. It answers each blank line that
 * ends a request with the same plain text, whatever was asked, and parses
 * nothing else: a body is not skipped, an error is not told. For measuring only.
 *
 *     PORT=8080 cepoll
 */
enum { SHORTEST_REQUEST = 2 };

/* What was seen of the line that is not complete yet. */
enum line { EMPTY, ONLY_CR, TEXT };

struct conn {
	enum line line;
	struct output out;
};

static struct conn *conns; /* by fd */
static char answer[256];
static size_t answer_len;
static char *out; /* the answers to one recv */

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
	free(conns[fd].out.rest);
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

/*
 * Reads and answers until the socket is drained or takes no more. With a hang-up
 * announced only a recv of 0 or an error is the end: edge-triggered, there is no
 * further event.
 */
static void serve(int fd, uint32_t events)
{
	struct conn *c = &conns[fd];
	int ends = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);

	if (c->out.rest && !flush_rest(fd, &c->out))
		return drop(fd);
	while (!c->out.rest) {
		ssize_t n = recv(fd, in, INPUT, 0);
		size_t count, i;

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			return drop(fd);
		count = blank_lines(c, in, n);
		if (count == 1) {
			if (!deliver(fd, &c->out, answer, answer_len))
				return drop(fd);
		} else if (count) {
			for (i = 0; i < count; i++)
				memcpy(out + i * answer_len, answer, answer_len);
			if (!deliver(fd, &c->out, out, count * answer_len))
				return drop(fd);
		}
		if (n < INPUT && !ends)
			return;
	}
}

int main(void)
{
	name = "cepoll";
	conns = one_for_each_fd(sizeof *conns);
	out = malloc((INPUT / SHORTEST_REQUEST + 1) * sizeof answer);
	if (!out)
		die("malloc");
	return run(set_date);
}
