/*
 * relay_main - `locald relay`: carries connections between the networks of containers
 * and the host (relay.h).  Internal: the daemon starts it when the first container with
 * a network of its own starts.
 *
 *	locald relay SOCKET SHIM ROOT     SOCKET is bound already, and descriptor 3
 *
 * It outlives its daemon, and ends when it has neither a daemon nor a container.
 */
#pragma once

/*
 * Packets (SOCK_SEQPACKET, JSON) on SOCKET, from processes of the same user only:
 *
 *	shim → relay    {"op":"container","id","publish":[[host,inside],…],"open"}  + pidfd
 *	                {"op":"listeners","id","ports":[host,…]}      + as many listening sockets
 *	                {"op":"sockets","id"}                         + plain sockets
 *	                {"op":"end","id"}                             answered
 *	daemon → relay  {"op":"daemon"}                               answered by hello
 *	                {"op":"open","id","inside"}                   answered when it fails
 *	                {"op":"quit"}
 *	relay → both    {"op":"ok"}, {"op":"error","id","text"}
 *	relay → daemon  {"op":"hello","protocol":1,"version","pid","containers":[id,…]}
 *
 * The first error of a shim's packets is what its "end" is answered with.
 */

#define RELAY_PROTOCOL   1
#define RELAY_PACKET_MAX (64 * 1024)

int relay_main(int argc, char **argv);
