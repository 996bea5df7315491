/*
 * daemon_main - `locald daemon`: the program that keeps the projects running.
 *
 * Started by the CLI with --ready-fd and --lock-fd (api/daemon_start.h says how
 * they are used), or by hand without them.
 */
#pragma once

int daemon_main(int argc, char **argv);
