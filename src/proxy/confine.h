/*
 * confine - gives up what the proxy never needs, so that a fault in it is worth
 * little: identity, capabilities, other programs, files, core dumps.
 *
 * As root it becomes nobody (65534).  Best effort where a kernel lacks a means
 * (Landlock is from Linux 5.13), strict where one must work.
 */
#pragma once

struct error;

/* The descriptors up to `last_fd` stay open; all others are closed. */
int confine_self(int last_fd, struct error *err);
