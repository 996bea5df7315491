#include "config/procfile.h"

#include "base/error.h"
#include "base/str.h"
#include "config/utf8.h"

void procfile_release(struct procfile *procfile)
{
	array_foreach(entry, &procfile->entries) {
		free(entry->name);
		free(entry->command);
	}
	array_release(&procfile->entries);
}

const struct procfile_entry *procfile_find(const struct procfile *procfile, const char *name)
{
	array_foreach(entry, &procfile->entries)
		if (str_eq(entry->name, name))
			return entry;
	return NULL;
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* One line without its newline. */
static int parse_line(const char *line, size_t len, int number, struct procfile *out,
                      struct toml_pos *ret_pos, struct error *err)
{
	struct procfile_entry *entry;
	size_t start = 0, name_end, value;

	while (len > 0 && is_blank(line[len - 1]))
		len--;
	while (start < len && is_blank(line[start]))
		start++;
	if (start == len || line[start] == '#')
		return 0;

	name_end = start;
	while (name_end < len &&
	       (is_alnum(line[name_end]) || (name_end > start && strchr("-_", line[name_end]))))
		name_end++;
	*ret_pos = (struct toml_pos){number, (int)start + 1, (int)(len - start)};
	if (memchr(line, '\0', len))
		return error_set(err, ERR_CONFIG, "a NUL character");
	if (utf8_check(line, len) < len)
		return error_set(err, ERR_CONFIG, "invalid UTF-8");
	if (name_end == start || name_end == len || line[name_end] != ':')
		return error_set(err, ERR_CONFIG, "expected `name: command`");

	for (value = name_end + 1; value < len && is_blank(line[value]);)
		value++;
	if (value == len)
		return error_set(err, ERR_CONFIG, "%.*s: the command is missing",
		                 (int)(name_end - start), line + start);
	if (out->entries.len >= PROCFILE_MAX_ENTRIES)
		return error_set(err, ERR_CONFIG, "more than %u processes", PROCFILE_MAX_ENTRIES);

	entry = array_add(&out->entries);
	entry->name_pos = (struct toml_pos){number, (int)start + 1, (int)(name_end - start)};
	entry->command_pos = (struct toml_pos){number, (int)value + 1, (int)(len - value)};
	entry->command = xstrndup(line + value, len - value);
	entry->name = xstrndup(line + start, name_end - start);
	*ret_pos = entry->name_pos;
	if (procfile_find(out, entry->name) != entry)
		return error_set(err, ERR_CONFIG, "%s is already defined at line %d", entry->name,
		                 procfile_find(out, entry->name)->name_pos.line);
	return 0;
}

int procfile_parse(const char *text, size_t len, struct procfile *out, struct toml_pos *ret_pos,
                   struct error *err)
{
	const char *end = text + len;

	if (len > PROCFILE_MAX_BYTES) {
		*ret_pos = (struct toml_pos){1, 1, 1};
		return error_set(err, ERR_CONFIG, "larger than 256 KiB");
	}
	for (int number = 1; text < end; number++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t line_len = (size_t)((newline ? newline : end) - text);

		if (parse_line(text, line_len, number, out, ret_pos, err) < 0)
			return -1;
		text += line_len + (newline ? 1 : 0);
	}
	return 0;
}
