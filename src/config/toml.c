#include "config/toml_parse.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/strbuf.h"

#define SHOWN_MAX 40 /* bytes of a wrong token in a message */

static int read_value(struct toml_parser *p, int depth, struct toml_value *ret);

static void key_path_release(struct toml_key_path *path)
{
	array_foreach(part, &path->parts)
		free(part->text);
	array_release(&path->parts);
}

static bool is_bare_key_char(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

static int read_key_part(struct toml_parser *p, struct toml_key_path *path)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct toml_mark start = toml_mark(p);
	struct toml_key_part *part;

	if (toml_peek(p) == '"' || toml_peek(p) == '\'') {
		if (toml_read_key_string(p, &text) < 0)
			return -1;
	} else if (is_bare_key_char(toml_peek(p))) {
		while (is_bare_key_char(toml_peek(p)))
			toml_advance(p);
		strbuf_add(&text, p->text + start.at, p->at - start.at);
	} else {
		return toml_fail_expected(p, "a key");
	}
	part = array_add(&path->parts);
	part->pos = toml_pos_from(p, start);
	part->len = text.len;
	part->text = strbuf_detach(&text);
	return 0;
}

/* a.b."c d"; the white space after it too. */
static int read_key_path(struct toml_parser *p, int depth, struct toml_key_path *path)
{
	for (;;) {
		if (read_key_part(p, path) < 0)
			return -1;
		if (depth + (int)path->parts.len > TOML_MAX_DEPTH)
			return toml_fail_expected(p, "at most 64 levels of nesting");
		toml_skip_blanks(p);
		if (toml_peek(p) != '.')
			return 0;
		toml_advance(p);
		toml_skip_blanks(p);
	}
}

static int count_value(struct toml_parser *p)
{
	if (++p->values > TOML_MAX_VALUES)
		return toml_fail_from(p, toml_mark(p), "more than %u values", TOML_MAX_VALUES);
	return 0;
}

static int fail_defined(struct toml_parser *p, const struct toml_key_part *part,
                        const struct toml_entry *earlier)
{
	int shown = part->len < SHOWN_MAX ? (int)part->len : SHOWN_MAX;

	return toml_fail_at(p, part->pos, "%.*s is already defined at line %d", shown, part->text,
	                    earlier->pos.line);
}

static struct toml_table *add_table(struct toml_table *parent, struct toml_key_part *part,
                                    enum table_origin origin)
{
	struct toml_entry *entry = toml_table_add(parent, part);

	entry->value.type = TOML_TABLE;
	entry->value.pos = entry->pos;
	entry->value.table = toml_table_new(origin);
	return entry->value.table;
}

/*
 * One step of a dotted key: the table `part` of `table`, made or opened by it.  A
 * table of dotted keys hangs below the table of its section, which cannot be
 * passed from elsewhere, so it is always this section's own.
 */
static struct toml_table *open_dotted(struct toml_parser *p, struct toml_table *table,
                                      struct toml_key_part *part)
{
	struct toml_entry *entry = toml_find_len(table, part->text, part->len);

	if (!entry)
		return count_value(p) < 0 ? NULL : add_table(table, part, TABLE_DOTTED);
	if (entry->value.type == TOML_TABLE) {
		struct toml_parse_state *state = &entry->value.table->state;

		if (state->origin == TABLE_IMPLICIT)
			state->origin = TABLE_DOTTED;
		if (state->origin == TABLE_DOTTED)
			return entry->value.table;
	}
	fail_defined(p, part, entry);
	return NULL;
}

/* key = value, into `table`, which is `depth` levels deep. */
static int read_pair(struct toml_parser *p, struct toml_table *table, int depth)
{
	cleanup(key_path_release) struct toml_key_path path = {0};
	struct toml_value value = {0};
	struct toml_key_part *last;
	const struct toml_entry *earlier;

	if (read_key_path(p, depth, &path) < 0)
		return -1;
	if (toml_peek(p) != '=')
		return toml_fail_expected(p, "= after the key");
	toml_advance(p);
	toml_skip_blanks(p);

	last = &path.parts.items[path.parts.len - 1];
	for (struct toml_key_part *part = path.parts.items; part < last; part++) {
		table = open_dotted(p, table, part);
		if (!table)
			return -1;
	}
	earlier = toml_find_len(table, last->text, last->len);
	if (earlier)
		return fail_defined(p, last, earlier);
	if (read_value(p, depth + (int)path.parts.len, &value) < 0)
		return -1;
	toml_table_add(table, last)->value = value;
	return 0;
}

static int read_array_items(struct toml_parser *p, int depth, struct toml_value *array)
{
	toml_advance(p);
	for (;;) {
		struct toml_value item = {0};

		toml_skip_lines(p);
		if (toml_peek(p) == ']')
			break;
		if (read_value(p, depth + 1, &item) < 0)
			return -1;
		*array_add(&array->array) = item;
		toml_skip_lines(p);
		if (toml_peek(p) == ']')
			break;
		if (toml_peek(p) != ',')
			return toml_fail_expected(p, ", or ] in the array");
		toml_advance(p);
	}
	toml_advance(p);
	return 0;
}

static int read_inline_pairs(struct toml_parser *p, int depth, struct toml_table *table)
{
	toml_advance(p);
	toml_skip_blanks(p);
	if (toml_peek(p) == '}') {
		toml_advance(p);
		return 0;
	}
	for (;;) {
		if (read_pair(p, table, depth) < 0)
			return -1;
		toml_skip_blanks(p);
		if (toml_peek(p) == '}')
			break;
		if (toml_peek(p) != ',')
			return toml_fail_expected(p, ", or } on the line of the inline table");
		toml_advance(p);
		toml_skip_blanks(p);
	}
	toml_advance(p);
	return 0;
}

static int read_array(struct toml_parser *p, int depth, struct toml_value *ret)
{
	struct toml_value array = {.type = TOML_ARRAY};

	if (read_array_items(p, depth, &array) < 0) {
		toml_value_release(&array);
		return -1;
	}
	*ret = array;
	return 0;
}

static int read_inline_table(struct toml_parser *p, int depth, struct toml_value *ret)
{
	struct toml_value value = {.type = TOML_TABLE, .table = toml_table_new(TABLE_INLINE)};

	if (read_inline_pairs(p, depth, value.table) < 0) {
		toml_value_release(&value);
		return -1;
	}
	*ret = value;
	return 0;
}

static bool is_token_char(int c)
{
	return is_bare_key_char(c) || c == '+' || c == '.' || c == ':';
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

/* A token, with the time after "YYYY-MM-DD " where there is one. */
static size_t token_length(const struct toml_parser *p)
{
	size_t len = 0;

	while (is_token_char(toml_peek_at(p, len)))
		len++;
	if (len == strlen("YYYY-MM-DD") && toml_peek_at(p, 4) == '-' &&
	    toml_peek_at(p, len) == ' ' && is_digit(toml_peek_at(p, len + 1))) {
		len++;
		while (is_token_char(toml_peek_at(p, len)))
			len++;
	}
	return len;
}

static int read_scalar(struct toml_parser *p, struct toml_value *ret)
{
	struct toml_mark start = toml_mark(p);
	const char *token = p->text + p->at;
	size_t len = token_length(p);
	bool is_true = len == 4 && toml_looking_at(p, "true");
	int rc;

	if (len == 0)
		return toml_fail_expected(p, "a value");
	if (is_true || (len == 5 && toml_looking_at(p, "false"))) {
		p->at += len;
		ret->type = TOML_BOOLEAN;
		ret->boolean = is_true;
		return 0;
	}
	p->at += len;
	rc = toml_read_datetime(p, token, len, ret);
	if (rc == 0)
		rc = toml_read_number(p, token, len, ret);
	if (rc < 0)
		*p->error_pos = toml_pos_from(p, start);
	if (rc == 0)
		return toml_fail_from(p, start, "%.*s is not a value; strings need quotes",
		                      len < SHOWN_MAX ? (int)len : SHOWN_MAX, token);
	return rc < 0 ? -1 : 0;
}

static int read_value(struct toml_parser *p, int depth, struct toml_value *ret)
{
	struct toml_mark start = toml_mark(p);
	int c = toml_peek(p), rc;

	if (depth > TOML_MAX_DEPTH)
		return toml_fail_expected(p, "at most 64 levels of nesting");
	if (count_value(p) < 0)
		return -1;
	if (c == '"' || c == '\'')
		rc = toml_read_string(p, ret);
	else if (c == '[')
		rc = read_array(p, depth, ret);
	else if (c == '{')
		rc = read_inline_table(p, depth, ret);
	else
		rc = read_scalar(p, ret);
	if (rc == 0)
		ret->pos = toml_pos_from(p, start);
	return rc;
}

/* One step of a header towards its last part; NULL when it cannot be passed. */
static struct toml_table *pass_header(struct toml_parser *p, struct toml_table *table,
                                      struct toml_key_part *part)
{
	struct toml_entry *entry = toml_find_len(table, part->text, part->len);
	struct toml_value *value;

	if (!entry)
		return count_value(p) < 0 ? NULL : add_table(table, part, TABLE_IMPLICIT);
	value = &entry->value;
	/* An array that [[…]] made: its last table. */
	if (value->type == TOML_ARRAY && value->array.len > 0) {
		value = &value->array.items[value->array.len - 1];
		if (value->type == TOML_TABLE && value->table->state.origin == TABLE_HEADER)
			return value->table;
	} else if (value->type == TOML_TABLE && value->table->state.origin != TABLE_INLINE) {
		return value->table;
	}
	fail_defined(p, part, entry);
	return NULL;
}

static struct toml_table *define_table(struct toml_parser *p, struct toml_table *parent,
                                       struct toml_key_part *part)
{
	struct toml_entry *entry = toml_find_len(parent, part->text, part->len);

	if (!entry)
		return add_table(parent, part, TABLE_HEADER);
	if (entry->value.type != TOML_TABLE || entry->value.table->state.origin != TABLE_IMPLICIT) {
		fail_defined(p, part, entry);
		return NULL;
	}
	entry->pos = entry->value.pos = part->pos;
	entry->value.table->state.origin = TABLE_HEADER;
	return entry->value.table;
}

/* A new table at the end of an array that only [[…]] makes. */
static struct toml_table *define_array_table(struct toml_parser *p, struct toml_table *parent,
                                             struct toml_key_part *part)
{
	struct toml_pos pos = part->pos;
	struct toml_entry *entry = toml_find_len(parent, part->text, part->len);
	struct toml_value *item;

	if (!entry) {
		entry = toml_table_add(parent, part);
		entry->value.type = TOML_ARRAY;
		entry->value.pos = pos;
	} else if (entry->value.type != TOML_ARRAY || entry->value.array.len == 0 ||
	           entry->value.array.items[0].type != TOML_TABLE ||
	           entry->value.array.items[0].table->state.origin != TABLE_HEADER) {
		fail_defined(p, part, entry);
		return NULL;
	}
	item = array_add(&entry->value.array);
	item->type = TOML_TABLE;
	item->pos = pos;
	item->table = toml_table_new(TABLE_HEADER);
	return item->table;
}

/* [a.b] or [[a.b]]: *ret_table and *ret_depth are where the next pairs go. */
static int read_header(struct toml_parser *p, struct toml_table *root,
                       struct toml_table **ret_table, int *ret_depth)
{
	cleanup(key_path_release) struct toml_key_path path = {0};
	struct toml_table *table = root;
	struct toml_key_part *last;
	bool is_array = toml_looking_at(p, "[[");

	p->at += is_array ? 2 : 1;
	toml_skip_blanks(p);
	if (read_key_path(p, 0, &path) < 0)
		return -1;
	if (!toml_looking_at(p, is_array ? "]]" : "]"))
		return toml_fail_expected(p, is_array ? "]] after the name" : "] after the name");
	p->at += is_array ? 2 : 1;

	last = &path.parts.items[path.parts.len - 1];
	for (struct toml_key_part *part = path.parts.items; part < last; part++) {
		table = pass_header(p, table, part);
		if (!table)
			return -1;
	}
	if (count_value(p) < 0)
		return -1;
	table = is_array ? define_array_table(p, table, last) : define_table(p, table, last);
	if (!table)
		return -1;
	*ret_table = table;
	*ret_depth = (int)path.parts.len;
	return 0;
}

static int read_document(struct toml_parser *p, struct toml_table *root)
{
	struct toml_table *table = root;
	int depth = 0, rc;

	for (;;) {
		toml_skip_lines(p);
		if (toml_peek(p) == -1)
			return 0;
		rc = toml_peek(p) == '[' ? read_header(p, root, &table, &depth)
		                         : read_pair(p, table, depth);
		if (rc < 0)
			return -1;
		toml_skip_blanks(p);
		toml_skip_comment(p);
		if (toml_peek(p) != -1 && !toml_skip_newline(p))
			return toml_fail_expected(p, "a new line");
	}
}

struct toml_table *toml_parse(const char *text, size_t len, struct toml_pos *ret_pos,
                              struct error *err)
{
	cleanup_toml struct toml_table *root = NULL;
	struct toml_parser p = {
		.text = text, .len = len, .line = 1, .error_pos = ret_pos, .err = err};

	if (len > TOML_MAX_BYTES) {
		toml_fail_at(&p, (struct toml_pos){1, 1, 1}, "larger than 1 MiB");
		return NULL;
	}
	if (toml_looking_at(&p, "\xef\xbb\xbf")) /* a byte order mark */
		p.at = p.line_start = 3;
	root = toml_table_new(TABLE_HEADER);
	if (toml_check_text(&p) < 0 || read_document(&p, root) < 0)
		return NULL;
	return take_ptr(root);
}

struct toml_table *toml_parse_file(const char *path, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct toml_pos pos;
	struct toml_table *root;

	if (fs_read_file(path, TOML_MAX_BYTES, &text, err) < 0)
		return NULL;
	root = toml_parse(text.buf, text.len, &pos, err);
	if (!root)
		error_wrap(err, "%s:%d:%d", path, pos.line, pos.column);
	return root;
}
