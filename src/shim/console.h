/*
 * console - a container's terminal.
 *
 * The pair is made inside the container, from its own devpts, and the other end
 * is opened by TIOCGPTPEER, never by a path.  The master goes to the socket of
 * --console-socket or, for `run`, to the shim, which relays.
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>
#include <stdint.h>

struct error;

/* Opens a pair in the container under root; returns the terminal, *ret_master is new too. */
int console_open(int root, int *ret_master, struct error *err);
/* That of standard input where we relay between the two, else the configured one, if there is. */
int console_set_size(int fd, uint16_t rows, uint16_t cols, bool is_relayed, struct error *err);
/* Connects to the unix socket at path: of a terminal, or of an agent (listener.h). */
int console_connect(const char *path, struct error *err);
/* Sends the master as runc does: the descriptor with its name. */
int console_send(int sock, int master, struct error *err);
