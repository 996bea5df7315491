/*
 * proc - who a process is: (pid, start time, boot id), never a bare pid.
 *
 * The start time is field 22 of /proc/PID/stat, in clock ticks since boot.
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

#define PROC_BOOT_ID_SIZE 40

struct proc_id {
	pid_t pid;
	uint64_t start_ticks;
	char boot_id[PROC_BOOT_ID_SIZE];
};

int proc_identify(pid_t pid, struct proc_id *ret, struct error *err);
/* Is that very process still there (a zombie counts as gone)? */
bool proc_is_alive(const struct proc_id *id);
void proc_boot_id(char out[PROC_BOOT_ID_SIZE]);

int proc_pidfd_open(pid_t pid, struct error *err);

/* Every signal at its default, none blocked: for a child about to execute a program. */
void proc_reset_signals(void);
/*
 * The same for some, as bits from signal 1 on.  An execve resets what has a handler, so only
 * those that proc_ignored_signals() tells matter to a process whose handlers are its own.
 */
void proc_reset_signals_of(uint64_t signals);
uint64_t proc_ignored_signals(void);

/* One line of /proc/PID/stat that matters to us. */
struct proc_stat {
	char comm[64];
	char state;
	pid_t ppid, pgrp, session;
	uint64_t utime_ticks, stime_ticks, start_ticks;
	int threads;
	int64_t rss_pages;
	int wait_status; /* of a zombie; 0, too, where it is not for us to know */
};
int proc_read_stat(pid_t pid, struct proc_stat *ret, struct error *err);
/* How a zombie ended, as waitpid(2) says it; false: it is none, or that is not for us to know. */
bool proc_zombie_status(pid_t pid, uint64_t start_ticks, int *ret);
/* How long ago a process with this start time started, whatever the wall clock was set to. */
int64_t proc_age_ms(uint64_t start_ticks);
