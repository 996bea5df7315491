#include "proxy/tunnel.h"

#include "base/mem.h"

struct tunnel {
	struct tunnels *tunnels;
	struct tunnel *next, **link;
	struct stream *ends[2];
	bool is_at_eof[2];
};

static void tunnel_free(struct tunnel *tunnel)
{
	*tunnel->link = tunnel->next;
	if (tunnel->next)
		tunnel->next->link = tunnel->link;
	tunnel->tunnels->count--;
	stream_free(tunnel->ends[0]);
	stream_free(tunnel->ends[1]);
	free(tunnel);
}

/* Both sides have said all; what is queued still goes out. */
static void finish(struct tunnel *tunnel)
{
	stream_close_after_flush(take_ptr(tunnel->ends[0]));
	stream_close_after_flush(take_ptr(tunnel->ends[1]));
	tunnel_free(tunnel);
}

static int index_of(const struct tunnel *tunnel, const struct stream *stream)
{
	return stream == tunnel->ends[1];
}

static void pass_on(struct tunnel *tunnel, int from)
{
	struct stream *source = tunnel->ends[from], *target = tunnel->ends[!from];
	struct strbuf *input = stream_input(source);

	if (input->len > 0)
		stream_write(target, input->buf, input->len);
	strbuf_consume(input, input->len);
	if (stream_is_congested(target))
		stream_pause(source);
	else
		stream_resume(source);
}

static void on_read(struct stream *stream, void *data)
{
	pass_on(data, index_of(data, stream));
}

static void on_eof(struct stream *stream, int error, void *data)
{
	struct tunnel *tunnel = data;
	int from = index_of(tunnel, stream);

	if (error) {
		tunnel_free(tunnel);
		return;
	}
	tunnel->is_at_eof[from] = true;
	if (tunnel->is_at_eof[!from])
		finish(tunnel);
	else
		stream_shutdown_write(tunnel->ends[!from]);
}

static void on_drain(struct stream *stream, void *data)
{
	pass_on(data, !index_of(data, stream));
}

static void on_write_error(struct stream *stream, int error, void *data)
{
	tunnel_free(data);
}

static const struct stream_events events = {
	.on_read = on_read,
	.on_eof = on_eof,
	.on_drain = on_drain,
	.on_write_error = on_write_error,
};

void tunnel_start(struct tunnels *tunnels, struct stream *a, struct stream *b)
{
	struct tunnel *tunnel = xcalloc(1, sizeof(*tunnel));

	*tunnel = (struct tunnel){
		.tunnels = tunnels,
		.next = tunnels->first,
		.link = &tunnels->first,
		.ends = {a, b},
	};
	if (tunnel->next)
		tunnel->next->link = &tunnel->next;
	tunnels->first = tunnel;
	tunnels->count++;
	stream_set_events(a, &events, tunnel);
	stream_set_events(b, &events, tunnel);
	pass_on(tunnel, 0);
	pass_on(tunnel, 1);
}

void tunnels_release(struct tunnels *tunnels)
{
	while (tunnels->first)
		tunnel_free(tunnels->first);
}
