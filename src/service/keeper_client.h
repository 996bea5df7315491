/*
 * keeper_client - starts a keeper, or finds one again, and stays in touch with it.
 *
 * The keeper is started by a process that ends as soon as the keeper listens, so
 * it is nobody's child here and outlives the daemon.  When its end was missed, the
 * exit record in the log tells of it.  When a keeper is lost, another is started that
 * takes over with what was held of it: held_ends.h.  The implementation behind the keeper_*
 * functions of world.h; on_gone is the last call and asks for keeper_client_free().
 */
#pragma once

#include "service/world.h"

struct loop;

struct keeper *keeper_client_start(struct loop *loop, const char *keeper_path,
                                   const struct keeper_spec *spec,
                                   const struct keeper_events *events, void *data,
                                   struct error *err);
struct keeper *keeper_client_adopt(struct loop *loop, const char *keeper_path,
                                   const struct keeper_spec *spec,
                                   const struct keeper_events *events, void *data);
void keeper_client_command(struct keeper *keeper, enum keeper_op op);
/* Lets go; the keeper and its service are not touched. */
void keeper_client_free(struct keeper *keeper);
