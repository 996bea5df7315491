#include "keeper/keeper.h"

#include "base/error.h"

#include <errno.h>
#include <sys/socket.h>

static bool send_packet(struct keeper_client *client, const struct keeper_packet *packet)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT_MAX(KEEPER_PACKET_MAX);
	ssize_t n;

	keeper_packet_encode(packet, &text);
	/* A client that does not read is let go; it can connect again and ask. */
	n = send(client->fd, text.buf, text.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n == (ssize_t)text.len;
}

static void drop_client(struct keeper *keeper, struct keeper_client *client)
{
	close(client->fd);
	*client = keeper->clients[--keeper->client_count];
}

static struct keeper_packet status_packet(struct keeper *keeper)
{
	keeper->status.log_bytes = keeper->log.pos;
	keeper->status.dropped_bytes = keeper->log.dropped_bytes;
	return (struct keeper_packet){.op = KEEPER_STATUS, .status = keeper->status};
}

void keeper_tell(struct keeper *keeper)
{
	struct keeper_packet packet = status_packet(keeper);

	for (size_t i = keeper->client_count; i-- > 0;) {
		struct keeper_client *client = &keeper->clients[i];

		if (client->is_subscribed && !send_packet(client, &packet))
			drop_client(keeper, client);
	}
}

void keeper_accept(struct keeper *keeper)
{
	struct keeper_packet refusal = {.op = KEEPER_ERROR};
	struct keeper_client client = {.is_subscribed = false};
	struct ucred peer;
	socklen_t len = sizeof(peer);

	client.fd = accept4(keeper->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client.fd < 0)
		return;
	if (getsockopt(client.fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
	    peer.uid != geteuid())
		str_copy(refusal.text, sizeof(refusal.text), "not your service");
	else if (keeper->client_count == KEEPER_CLIENTS_MAX)
		str_copy(refusal.text, sizeof(refusal.text), "too many clients");
	if (refusal.text[0]) {
		(void)send_packet(&client, &refusal);
		close(client.fd);
		return;
	}
	keeper->clients[keeper->client_count++] = client;
}

static bool obey(struct keeper *keeper, struct keeper_client *client,
                 const struct keeper_packet *request, struct keeper_packet *reply)
{
	switch (request->op) {
	case KEEPER_SUBSCRIBE:
		client->is_subscribed = true;
		fallthrough;
	case KEEPER_HELLO:
		*reply = status_packet(keeper);
		return true;
	case KEEPER_STOP:
		keeper_begin_stop(keeper);
		return false;
	case KEEPER_KILL:
		keeper_begin_kill(keeper);
		return false;
	case KEEPER_SIGNAL:
		keeper_signal_all(keeper, request->signal);
		return false;
	case KEEPER_ATTACH:
	case KEEPER_RESIZE:
	case KEEPER_DATA:
		str_copy(reply->text, sizeof(reply->text), "attaching is not supported yet");
		return true;
	case KEEPER_STATUS:
	case KEEPER_ERROR:
		break;
	}
	str_copy(reply->text, sizeof(reply->text), "that is for the keeper to say");
	return true;
}

void keeper_serve(struct keeper *keeper, struct keeper_client *client)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct keeper_packet request, reply = {.op = KEEPER_ERROR};
	int fd = client->fd;
	char buf[KEEPER_PACKET_MAX];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC);
	bool has_reply;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop_client(keeper, client);
		return;
	}
	if (keeper_packet_decode(buf, (size_t)n, &request, &err) < 0) {
		str_copy(reply.text, sizeof(reply.text), err.text);
		has_reply = true;
	} else {
		has_reply = obey(keeper, client, &request, &reply);
	}
	/* Telling subscribers may have let go of this one. */
	if (has_reply && client < keeper->clients + keeper->client_count && client->fd == fd &&
	    !send_packet(client, &reply))
		drop_client(keeper, client);
}
