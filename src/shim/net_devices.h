/*
 * net_devices - network devices of the host that become the container's (linux.netDevices).
 *
 * A device goes with its settings and its permanent global addresses, and is up afterwards. It is
 * never taken back: with its namespace the kernel returns what is hardware and destroys the rest.
 * Only root of the host can give a device away.
 */
#pragma once

struct error;
struct spec;

/* `netns` is the network namespace of the container; ours is the host's. */
int net_devices_move(const struct spec *spec, int netns, struct error *err);
