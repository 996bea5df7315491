/*
 * keeper_link - a connection to the keeper of a service, without the daemon.
 *
 * Found by the hash of the project's folder: neither the configuration nor the daemon
 * is asked.  Protocol: keeper/protocol.h.
 */
#pragma once

#include "base/attrs.h"

struct cli;
struct error;
struct keeper_packet;

/* The socket of a service of the project in cli->root; NULL with err when it does not run. */
char *keeper_link_find(const struct cli *cli, const char *service, struct error *err) must_check;
int keeper_link_open(const char *path, const char *service, struct error *err);
void keeper_link_send(int fd, const struct keeper_packet *packet);
/* SIGKILL for all processes of the service, if it runs. */
void keeper_link_kill(const struct cli *cli, const char *service);
