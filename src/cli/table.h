/*
 * table - rows in aligned columns that fit a width.
 *
 * A column that does not fit gives way: first those with a `drop` order vanish,
 * the highest first, then the column marked `flex` is cut.  Cells are already
 * styled and safe; empty columns are left out.
 */
#pragma once

#include "base/array.h"
#include "base/strbuf.h"
#include "cli/style.h"

#define TABLE_MAX_COLUMNS 12

struct table_column {
	const char *title; /* NULL in a table without a header */
	int drop;          /* 0: never */
	bool flex;
};

struct table {
	const struct table_column *columns;
	size_t ncolumns;
	ARRAY(char *) cells; /* row after row */
};

void table_release(struct table *table);

/* The next cell of the current row; takes the text. */
void table_add(struct table *table, char *text);
void table_add_copy(struct table *table, const char *text);

void table_render(const struct table *table, const struct style *style, const char *indent,
                  struct strbuf *out);
