#include "cli/table.h"

#include "base/mem.h"

#include <assert.h>

#define GAP 2

struct layout {
	size_t width[TABLE_MAX_COLUMNS];
	bool is_shown[TABLE_MAX_COLUMNS];
};

void table_release(struct table *table)
{
	array_foreach(cell, &table->cells)
		free(*cell);
	array_release(&table->cells);
}

void table_add(struct table *table, char *text)
{
	*array_add(&table->cells) = text;
}

void table_add_copy(struct table *table, const char *text)
{
	table_add(table, xstrdup(text ? text : ""));
}

static size_t total(const struct table *table, const struct layout *layout)
{
	size_t sum = 0;

	for (size_t c = 0; c < table->ncolumns; c++)
		if (layout->is_shown[c])
			sum += layout->width[c] + (sum > 0 ? GAP : 0);
	return sum;
}

static void measure(const struct table *table, struct layout *layout)
{
	array_foreach(cell, &table->cells) {
		size_t c = array_index(&table->cells, cell) % table->ncolumns;
		size_t columns = style_columns(*cell);

		if (columns > layout->width[c])
			layout->width[c] = columns;
		layout->is_shown[c] |= columns > 0;
	}
	for (size_t c = 0; c < table->ncolumns; c++) {
		const char *title = table->columns[c].title;

		if (title && style_columns(title) > layout->width[c])
			layout->width[c] = style_columns(title);
	}
}

/* The shown column that goes first; ncolumns when all must stay. */
static size_t next_to_drop(const struct table *table, const struct layout *layout)
{
	size_t chosen = table->ncolumns;
	int highest = 0;

	for (size_t c = 0; c < table->ncolumns; c++)
		if (layout->is_shown[c] && table->columns[c].drop > highest) {
			highest = table->columns[c].drop;
			chosen = c;
		}
	return chosen;
}

static void fit(const struct table *table, struct layout *layout, size_t width)
{
	size_t c;

	while (total(table, layout) > width && (c = next_to_drop(table, layout)) < table->ncolumns)
		layout->is_shown[c] = false;
	for (c = 0; c < table->ncolumns; c++) {
		size_t all = total(table, layout);
		size_t least = 8;

		if (all <= width || !table->columns[c].flex || layout->width[c] <= least)
			continue;
		if (all - width < layout->width[c] - least)
			least = layout->width[c] - (all - width);
		layout->width[c] = least;
	}
}

static void add_row(const struct table *table, const struct layout *layout,
                    const struct style *style, const char *indent, char *const *cells,
                    struct strbuf *out)
{
	size_t pad = 0;
	bool is_first = true;

	strbuf_adds(out, indent);
	for (size_t c = 0; c < table->ncolumns; c++) {
		cleanup(strbuf_release) struct strbuf cell = STRBUF_INIT;

		if (!layout->is_shown[c])
			continue;
		style_cut(&cell, style, cells[c], layout->width[c]);
		if (!is_first)
			pad += GAP;
		is_first = false;
		if (cell.len > 0) {
			strbuf_addf(out, "%*s%s", (int)pad, "", cell.buf);
			pad = 0;
		}
		pad += layout->width[c] - style_columns(cell.buf);
	}
	strbuf_addch(out, '\n');
}

void table_render(const struct table *table, const struct style *style, const char *indent,
                  struct strbuf *out)
{
	struct layout layout = {0};

	assert(table->ncolumns <= TABLE_MAX_COLUMNS);
	assert(table->cells.len % table->ncolumns == 0);
	measure(table, &layout);
	if (style->width > 0) {
		size_t margin = style_columns(indent);

		fit(table, &layout, (size_t)style->width > margin ? style->width - margin : 1);
	}
	if (table->columns[0].title) {
		char *titles[TABLE_MAX_COLUMNS];

		for (size_t c = 0; c < table->ncolumns; c++) {
			cleanup(strbuf_release) struct strbuf title = STRBUF_INIT;

			style_text(&title, style, COLOUR_DIM, table->columns[c].title);
			titles[c] = strbuf_detach(&title);
		}
		add_row(table, &layout, style, indent, titles, out);
		for (size_t c = 0; c < table->ncolumns; c++)
			free(titles[c]);
	}
	for (size_t at = 0; at < table->cells.len; at += table->ncolumns)
		add_row(table, &layout, style, indent, &table->cells.items[at], out);
}
