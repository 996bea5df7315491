/*
 * proxy_main - `locald proxy`: the process that faces the network.
 *
 * Gets everything it works with on descriptor 3 (proxy/control.h), opens no
 * file, starts nothing, and exits with 0 when the daemon closes that socket.
 */
#pragma once

int proxy_main(int argc, char **argv);
