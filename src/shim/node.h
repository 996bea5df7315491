/*
 * node - typed reads of a JSON document that know where they are.
 *
 * A node is a value and the way to it: children point at their parent on the
 * caller's stack, so a path such as "process.rlimits[2].hard" costs nothing
 * until an error has to name it.  null counts as missing, as in the documents
 * that Go programs write.  A failure is ERR_CONFIG and leaves outputs alone;
 * a missing optional key does too.
 *
 * Strings that come out are borrowed from the document.
 */
#pragma once

#include "base/attrs.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct error;
struct strv;

struct node {
	json_t *json; /* NULL: not there */
	const struct node *up;
	const char *key; /* NULL: an array element, see index */
	size_t index;
};

/* How many elements an array of a config.json may have. */
#define NODE_ITEMS_MAX 65536

static inline bool node_exists(const struct node *node)
{
	return node->json != NULL;
}

/* "<path>: text", as ERR_CONFIG. */
int node_error(const struct node *node, struct error *err, const char *fmt, ...) printf_like(3, 4);
/* As ERR_UNSUPPORTED: "<path>: <what> is not supported yet" */
int node_unsupported(const struct node *node, const char *what, struct error *err);

/* Children; absent ones are nodes that do not exist. */
struct node node_child(const struct node *object, const char *key);
int node_object(const struct node *object, const char *key, struct node *ret, struct error *err);
int node_array(const struct node *object, const char *key, struct node *ret, struct error *err);
size_t node_len(const struct node *array);
struct node node_item(const struct node *array, size_t index);

/* The node must exist and be an object; for array elements. */
int node_need_object(const struct node *node, struct error *err);
int node_need(const struct node *object, const char *key, struct error *err);

/* The value of the node itself, which must exist. */
int node_as_str(const struct node *node, const char **ret, struct error *err);
int node_as_int(const struct node *node, int64_t min, int64_t max, int64_t *ret, struct error *err);

/* A key of an object; *ret keeps its value (the default) when the key is missing. */
int node_str(const struct node *object, const char *key, const char **ret, struct error *err);
int node_need_str(const struct node *object, const char *key, const char **ret, struct error *err);
int node_bool(const struct node *object, const char *key, bool *ret, struct error *err);
int node_int(const struct node *object, const char *key, int64_t min, int64_t max, int64_t *ret,
             struct error *err);
int node_u32(const struct node *object, const char *key, uint32_t *ret, struct error *err);
/* 2^63 and above reach us as strings of digits; see spec_load(). */
int node_u64(const struct node *object, const char *key, uint64_t *ret, struct error *err);
/* Copies the strings of an array of strings. */
int node_strv(const struct node *object, const char *key, struct strv *ret, struct error *err);
