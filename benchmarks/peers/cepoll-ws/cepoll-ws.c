/*
 * cepoll-ws is the floor of what a readiness-based WebSocket echo can cost: one
 * thread, epoll edge-triggered, recv and send, frames unmasked and sent back where
 * they lie. It answers every request that has a Sec-WebSocket-Key, echoes data
 * frames one by one as they come, and knows ping and close; it checks neither
 * UTF-8 nor the order of fragments, and drops who sends a frame above 1 MiB or an
 * unmasked one. For measuring only.
 *
 *     PORT=8080 cepoll-ws
 */
enum {
	MAX_REQUEST = 8 << 10,
	MAX_HEAD = 14, /* of a frame: two bytes, eight of length, four of mask */
	MAX_PAYLOAD = 1 << 20,
	FIN = 0x80,
	CLOSE = 8,
	PING = 9,
	PONG = 10,
};

struct conn {
	int open;    /* the handshake is done */
	int closing; /* a close frame was answered: drop when all is sent */
	char *part;  /* what is not complete yet; NULL without */
	size_t part_len, part_cap;
	struct output out;
};

static struct conn *conns; /* by fd */

static void drop(int fd)
{
	free(conns[fd].part);
	free(conns[fd].out.rest);
	memset(&conns[fd], 0, sizeof conns[fd]);
	close(fd);
}

static uint32_t rotl(uint32_t x, int n) { return x << n | x >> (32 - n); }

/* One block of SHA-1 (FIPS 180-4, section 6.1.2). */
static void sha1_block(uint32_t h[5], const unsigned char *p)
{
	uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
	int t;

	for (t = 0; t < 16; t++)
		w[t] = (uint32_t)p[4 * t] << 24 | p[4 * t + 1] << 16 | p[4 * t + 2] << 8 | p[4 * t + 3];
	for (; t < 80; t++)
		w[t] = rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
	for (t = 0; t < 80; t++) {
		uint32_t f, k, next;
		if (t < 20)
			f = (b & c) | (~b & d), k = 0x5a827999;
		else if (t < 40)
			f = b ^ c ^ d, k = 0x6ed9eba1;
		else if (t < 60)
			f = (b & c) | (b & d) | (c & d), k = 0x8f1bbcdc;
		else
			f = b ^ c ^ d, k = 0xca62c1d6;
		next = rotl(a, 5) + f + e + k + w[t];
		e = d, d = c, c = rotl(b, 30), b = a, a = next;
	}
	h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
}

static void sha1(const void *p, size_t n, unsigned char sum[20])
{
	uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
	unsigned char last[128] = { 0 };
	uint64_t bits = (uint64_t)n * 8;
	size_t at = 0, len, i;

	for (; n - at >= 64; at += 64)
		sha1_block(h, (const unsigned char *)p + at);
	memcpy(last, (const char *)p + at, n - at);
	last[n - at] = 0x80;
	len = n - at < 56 ? 64 : 128;
	for (i = 0; i < 8; i++)
		last[len - 1 - i] = bits >> 8 * i;
	for (i = 0; i < len; i += 64)
		sha1_block(h, last + i);
	for (i = 0; i < 20; i++)
		sum[i] = h[i / 4] >> (24 - 8 * (i % 4));
}

/* out has room for 4 characters of each 3 bytes begun, and the 0 at the end. */
static void base64(const unsigned char *p, size_t n, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t i;

	for (i = 0; i < n; i += 3) {
		uint32_t v = p[i] << 16 | (i + 1 < n ? p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);
		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
		*out++ = i + 2 < n ? digits[v & 63] : '=';
	}
	*out = 0;
}

/*
 * Answers the request in n bytes at p. Returns how many of them it took, 0 when
 * its end has not come, -1 when the connection is to be dropped.
 */
static ssize_t handshake(int fd, struct conn *c, const char *p, size_t n)
{
	static const char name[] = "Sec-WebSocket-Key:", guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	static const char bad[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	const char *end = memmem(p, n, "\r\n\r\n", 4), *line, *key = NULL;
	unsigned char sum[20];
	char text[24 + sizeof guid], accept[29], answer[256];

	if (!end)
		return n < MAX_REQUEST ? 0 : -1;
	for (line = p; line < end; line = (char *)memchr(line, '\n', end + 2 - line) + 1)
		if ((size_t)(end - line) >= sizeof name - 1 && !strncasecmp(line, name, sizeof name - 1))
			key = line + sizeof name - 1;
	for (; key && key < end && *key == ' '; key++)
		;
	if (!key || end - key < 24) {
		deliver(fd, &c->out, bad, sizeof bad - 1);
		return -1;
	}
	memcpy(text, key, 24);
	memcpy(text + 24, guid, sizeof guid);
	sha1(text, 24 + sizeof guid - 1, sum);
	base64(sum, sizeof sum, accept);
	snprintf(answer, sizeof answer,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Accept: %s\r\n\r\n", accept);
	if (!deliver(fd, &c->out, answer, strlen(answer)))
		return -1;
	c->open = 1;
	return end + 4 - p;
}

struct head {
	int op;
	size_t len, payload; /* of the head with its mask, and of the payload */
};

/* 1 when n bytes at p hold a whole head, 0 when more must come, -1 when it is bad. */
static int parse_head(const unsigned char *p, size_t n, struct head *h)
{
	uint64_t payload;
	int i;

	if (n < 2)
		return 0;
	h->op = p[0] & 15;
	payload = p[1] & 127;
	h->len = payload == 127 ? 14 : payload == 126 ? 8 : 6;
	if (!(p[1] & 128))
		return -1;
	if (n < h->len)
		return 0;
	if (payload == 126) {
		payload = p[2] << 8 | p[3];
	} else if (payload == 127) {
		for (payload = 0, i = 2; i < 10; i++)
			payload = payload << 8 | p[i];
	}
	h->payload = payload;
	return payload <= MAX_PAYLOAD ? 1 : -1;
}

static void unmask(char *p, size_t n, const char *key)
{
	uint32_t key4;
	uint64_t key8, word;
	size_t i = 0;

	memcpy(&key4, key, 4);
	key8 = (uint64_t)key4 << 32 | key4;
	for (; i + 8 <= n; i += 8) {
		memcpy(&word, p + i, 8);
		word ^= key8;
		memcpy(p + i, &word, 8);
	}
	for (; i < n; i++)
		p[i] ^= ((const char *)&key4)[i % 4];
}

/*
 * Turns the frame at p into the answer, which ends where the frame does and begins
 * four bytes later, since it has no mask. Returns its length, 0 for none.
 */
static size_t turn(struct conn *c, char *p, const struct head *h)
{
	char key[4];

	if (h->op == PONG)
		return 0;
	memcpy(key, p + h->len - 4, 4);
	unmask(p + h->len, h->payload, key);
	memmove(p + 4, p, h->len - 4);
	p[5] &= 127;
	if (h->op == PING)
		p[4] = (char)(FIN | PONG);
	if (h->op == CLOSE)
		c->closing = 1;
	return h->len - 4 + h->payload;
}

/*
 * Answers all whole frames in n bytes at p, with one send. Returns how many bytes
 * they took, -1 when the connection is to be dropped; *need is the size of the next
 * as far as it is known.
 */
static ssize_t frames(int fd, struct conn *c, char *p, size_t n, size_t *need)
{
	size_t at = 0, out = 0, from = 0, len;
	struct head h;

	*need = MAX_HEAD;
	while (!c->closing) {
		int ok = parse_head((unsigned char *)p + at, n - at, &h);
		if (ok < 0)
			return -1;
		if (!ok)
			break;
		if (n - at < h.len + h.payload) {
			*need = h.len + h.payload;
			break;
		}
		len = turn(c, p + at, &h);
		if (!out)
			from = at + 4;
		else
			memmove(p + from + out, p + at + 4, len);
		out += len;
		at += h.len + h.payload;
	}
	if (out && !deliver(fd, &c->out, p + from, out))
		return -1;
	return at;
}

/* Keeps n bytes at p, which may lie in c->part, until need have come. */
static int keep(struct conn *c, const char *p, size_t n, size_t need)
{
	char *part = c->part;

	if (!n) {
		free(c->part);
		c->part = NULL;
		return 1;
	}
	if (!part || c->part_cap < need) {
		part = malloc(need);
		if (!part)
			return 0;
		memcpy(part, p, n);
		free(c->part);
		c->part = part;
		c->part_cap = need;
	} else {
		memmove(part, p, n);
	}
	c->part_len = n;
	return 1;
}

/* Handles n bytes at p. 0 when the connection is lost or done. */
static int take(int fd, struct conn *c, char *p, size_t n)
{
	size_t need = MAX_REQUEST;
	ssize_t used;

	if (!c->open) {
		used = handshake(fd, c, p, n);
		if (used < 0)
			return 0;
		p += used;
		n -= used;
	}
	if (c->open) {
		used = frames(fd, c, p, n, &need);
		if (used < 0)
			return 0;
		p += used;
		n -= used;
	}
	if (c->closing)
		return c->out.rest != NULL;
	return keep(c, p, n, need > n ? need : n + 1);
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
	if (c->closing && !c->out.rest)
		return drop(fd);
	while (!c->out.rest) {
		char *to = c->part ? c->part + c->part_len : in;
		size_t room = c->part ? c->part_cap - c->part_len : INPUT;
		ssize_t n = recv(fd, to, room, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0 || !take(fd, c, c->part ? c->part : in, c->part ? c->part_len + n : (size_t)n))
			return drop(fd);
		if ((size_t)n < room && !ends)
			return;
	}
}

int main(void)
{
	name = "cepoll-ws";
	conns = one_for_each_fd(sizeof *conns);
	return run(NULL);
}
