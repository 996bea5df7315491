#include "config/interpolate.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

/* What is being expanded, innermost first: the way back out of a cycle. */
struct expansion {
	const struct expansion *outer;
	const char *text;
	const void *scope;
};

/* One pass over a text and the texts inside of it. */
struct pass {
	const struct interpolation *how; /* NULL: only visit */
	reference_fn *visit;
	void *visit_data;
	struct error *err;
	size_t steps;
	size_t at, len; /* of the failure, in the outermost text */
};

/* "${name OP rest}" taken apart; all but `op` point into the text. */
struct braces {
	size_t name, name_len;
	char op;       /* '-', '?', '+', or '\0' without one */
	bool is_colon; /* "unset or empty" rather than "unset" */
	size_t rest, rest_len;
	size_t end; /* after the closing brace */
};

static int expand(struct pass *pass, const struct expansion *in, const char *text, size_t len,
                  size_t base, int depth, struct strbuf *out);

static int fail(struct pass *pass, size_t at, size_t len, const char *fmt, ...) printf_like(4, 5);
static int fail(struct pass *pass, size_t at, size_t len, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list args;

	va_start(args, fmt);
	text = xvasprintf(fmt, args);
	va_end(args);
	pass->at = at;
	pass->len = len;
	return error_set(pass->err, ERR_CONFIG, "%s", text);
}

static bool is_name_char(char c, bool is_first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (!is_first && c >= '0' && c <= '9');
}

static size_t name_length(const char *s, size_t len)
{
	size_t i = 0;

	while (i < len && is_name_char(s[i], i == 0))
		i++;
	return i;
}

static bool is_variable_name(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && name_length(s, len) == len;
}

static void reference_release(struct reference *ref)
{
	free(ref->text);
	free(ref->service);
	free(ref->name);
}

/* After "services.": NAME.url, NAME.env.VAR … */
static bool parse_service_reference(const char *rest, struct reference *ref)
{
	static const struct {
		const char *field;
		enum reference_kind kind;
	} fields[] = {
		{"url", REFERENCE_SERVICE_URL},           {"host", REFERENCE_SERVICE_HOST},
		{"port", REFERENCE_SERVICE_PORT},         {"user", REFERENCE_SERVICE_USER},
		{"password", REFERENCE_SERVICE_PASSWORD},
	};
	const char *dot = strchr(rest, '.');

	if (!dot || dot == rest)
		return false;
	ref->service = xstrndup(rest, (size_t)(dot - rest));
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (str_eq(dot + 1, fields[i].field)) {
			ref->kind = fields[i].kind;
			return true;
		}
	}
	if (!str_starts(dot + 1, "env.") || !is_variable_name(dot + 1 + strlen("env.")))
		return false;
	ref->kind = REFERENCE_SERVICE_ENV;
	ref->name = xstrdup(dot + 1 + strlen("env."));
	return true;
}

static bool parse_reference(struct reference *ref)
{
	const char *text = ref->text;

	if (str_eq(text, "project.name") || str_eq(text, "project.domain")) {
		ref->kind =
			str_ends(text, "name") ? REFERENCE_PROJECT_NAME : REFERENCE_PROJECT_DOMAIN;
		return true;
	}
	if (str_starts(text, "services."))
		return parse_service_reference(text + strlen("services."), ref);
	ref->kind = str_starts(text, "env.") ? REFERENCE_ENV : REFERENCE_VAR;
	text += ref->kind == REFERENCE_ENV ? strlen("env.") : 0;
	ref->name = xstrdup(text);
	return is_variable_name(text);
}

/* Up to the operator; only a service's name may have a dash in it. */
static size_t reference_length(const char *s, size_t len)
{
	size_t prefix = strlen("services."), i = 0;

	if (len > prefix && memcmp(s, "services.", prefix) == 0)
		for (i = prefix; i < len && !strchr(".:?+", s[i]);)
			i++;
	while (i < len && !strchr(":-?+", s[i]))
		i++;
	return i;
}

/* text[at] is "${"; braces inside of the rest are balanced. */
static int parse_braces(struct pass *pass, const char *text, size_t len, size_t at, size_t base,
                        struct braces *ret)
{
	size_t end = at + 2, level = 1, stop;

	for (; end < len && level > 0; end++) {
		if (text[end] == '}')
			level--;
		else if (text[end] == '$' && end + 1 < len && text[end + 1] == '{')
			level++;
	}
	if (level > 0)
		return fail(pass, base + at, len - at, "${ without a closing }");

	stop = end - 1;
	*ret = (struct braces){.name = at + 2, .end = end};
	ret->name_len = reference_length(text + ret->name, stop - ret->name);
	ret->rest = ret->name + ret->name_len;
	if (ret->rest == stop)
		return 0;
	ret->is_colon = text[ret->rest] == ':';
	ret->rest += ret->is_colon;
	if (ret->rest == stop || !strchr("-?+", text[ret->rest]))
		return fail(pass, base + at, end - at,
		            "expected :- or :? or :+ after the name in %.*s", (int)(end - at),
		            text + at);
	ret->op = text[ret->rest++];
	ret->rest_len = stop - ret->rest;
	return 0;
}

/* "A → B → A", the outermost first. */
static void add_way(const struct expansion *in, struct strbuf *way)
{
	if (!in)
		return;
	add_way(in->outer, way);
	if (in->text)
		strbuf_addf(way, "%s → ", in->text);
}

static int check_cycle(struct pass *pass, const struct expansion *in, const struct reference *ref,
                       size_t at, size_t len)
{
	for (const struct expansion *e = in; e; e = e->outer) {
		cleanup(strbuf_release) struct strbuf way = STRBUF_INIT;

		if (!e->text || !str_eq(e->text, ref->text) || e->scope != ref->scope)
			continue;
		add_way(in, &way);
		return fail(pass, at, len, "reference cycle: %s%s", way.buf, ref->text);
	}
	return 0;
}

/* Appends the value of a reference; returns 1, 0 when it is unset, -1. */
static int add_value(struct pass *pass, const struct expansion *in, const struct reference *ref,
                     size_t at, size_t len, int depth, struct strbuf *out)
{
	struct reference_value value = {0};
	struct expansion inner = {.outer = in, .text = ref->text, .scope = ref->scope};
	struct expansion within;
	cleanup_free char *text = NULL;
	int rc;

	/* Templates of templates would else take time that doubles with each level. */
	if (++pass->steps > INTERPOLATE_MAX_STEPS)
		return fail(pass, at, len, "too many references");
	rc = pass->how->lookup(ref, &value, pass->how->data, pass->err);
	text = value.text;
	if (rc < 0) {
		pass->at = at;
		pass->len = len;
	}
	if (rc <= 0)
		return rc;
	if (!value.is_template) {
		strbuf_adds(out, text);
		return 1;
	}
	if (check_cycle(pass, in, ref, at, len) < 0)
		return -1;
	/* The text inside is read in its own scope; `inner` remembers how we came. */
	within = (struct expansion){.outer = &inner, .scope = value.scope};
	rc = expand(pass, &within, text, strlen(text), 0, depth + 1, out);
	if (rc == 0)
		return 1;
	pass->at = at;
	pass->len = len;
	return -1;
}

static int fail_unknown(struct pass *pass, const struct reference *ref, size_t at, size_t len)
{
	switch (ref->kind) {
	case REFERENCE_VAR:
		return fail(pass, at, len, "%s is not set", ref->name);
	case REFERENCE_ENV:
		return fail(pass, at, len, "%s is not set in the environment of the shell",
		            ref->name);
	case REFERENCE_SERVICE_ENV:
		return fail(pass, at, len, "%s is not set for the service %s", ref->name,
		            ref->service);
	case REFERENCE_SERVICE_URL:
	case REFERENCE_SERVICE_PORT:
		return fail(pass, at, len, "%s: the service has no port", ref->text);
	case REFERENCE_SERVICE_USER:
	case REFERENCE_SERVICE_PASSWORD:
		return fail(pass, at, len, "%s: the service is no database", ref->text);
	case REFERENCE_SERVICE_HOST:
	case REFERENCE_PROJECT_NAME:
	case REFERENCE_PROJECT_DOMAIN:
		break;
	}
	return fail(pass, at, len, "%s is not known", ref->text);
}

/* The text after the operator, expanded like the rest. */
static int expand_rest(struct pass *pass, const struct expansion *in, const char *text,
                       const struct braces *braces, size_t base, int depth, struct strbuf *out)
{
	return expand(pass, in, text + braces->rest, braces->rest_len, base + braces->rest,
	              depth + 1, out);
}

static int visit(struct pass *pass, const struct expansion *in, const struct reference *ref,
                 const char *text, const struct braces *braces, size_t at, size_t base, int depth)
{
	cleanup(strbuf_release) struct strbuf ignored = STRBUF_INIT;

	if (pass->visit(ref, base + at, braces->end - at, pass->visit_data, pass->err) < 0) {
		pass->at = base + at;
		pass->len = braces->end - at;
		return -1;
	}
	return expand_rest(pass, in, text, braces, base, depth, &ignored);
}

/* The reference at text[at], taken apart as `braces`. */
static int expand_reference(struct pass *pass, const struct expansion *in, const char *text,
                            size_t at, const struct braces *braces, size_t base, int depth,
                            struct strbuf *out)
{
	cleanup(strbuf_release) struct strbuf value = STRBUF_INIT_MAX(INTERPOLATE_MAX_BYTES);
	cleanup(reference_release) struct reference ref = {.scope = in->scope};
	size_t len = braces->end - at;
	bool is_set;
	int rc;

	ref.text = xstrndup(text + braces->name, braces->name_len);
	if (!parse_reference(&ref))
		return fail(pass, base + at, len, "%.*s is not a reference", (int)len, text + at);
	if (!pass->how)
		return visit(pass, in, &ref, text, braces, at, base, depth);

	rc = add_value(pass, in, &ref, base + at, len, depth, &value);
	if (rc < 0)
		return -1;
	is_set = rc > 0 && (!braces->is_colon || value.len > 0);
	if (braces->op == '+')
		return is_set ? expand_rest(pass, in, text, braces, base, depth, out) : 0;
	if (is_set) {
		strbuf_add(out, value.buf, value.len);
		return 0;
	}
	if (braces->op == '-')
		return expand_rest(pass, in, text, braces, base, depth, out);
	if (braces->op == '?' && braces->rest_len > 0)
		return fail(pass, base + at, len, "%s: %.*s", ref.text, (int)braces->rest_len,
		            text + braces->rest);
	if (rc > 0)
		return fail(pass, base + at, len, "%s is empty", ref.text);
	if (!braces->op && pass->how->unset_is_empty)
		return 0;
	return fail_unknown(pass, &ref, base + at, len);
}

/* The bytes of the reference that begins with the $ at text[at]; 0 when it is none. */
static int find_reference(struct pass *pass, const char *text, size_t len, size_t at, size_t base,
                          struct braces *ret)
{
	bool is_bare = pass->how && pass->how->bare;
	size_t name_len;

	if (at + 1 < len && text[at + 1] == '{')
		return parse_braces(pass, text, len, at, base, ret) < 0 ? -1 : 1;
	name_len = is_bare ? name_length(text + at + 1, len - at - 1) : 0;
	*ret = (struct braces){.name = at + 1, .name_len = name_len, .end = at + 1 + name_len};
	ret->rest = ret->end;
	return name_len > 0;
}

static int expand(struct pass *pass, const struct expansion *in, const char *text, size_t len,
                  size_t base, int depth, struct strbuf *out)
{
	if (depth > INTERPOLATE_MAX_DEPTH)
		return fail(pass, base, len > 0 ? len : 1, "references are nested too deep");
	for (size_t at = 0; at < len;) {
		struct braces braces = {0};
		int rc;

		if (text[at] != '$') {
			strbuf_addch(out, text[at++]);
			continue;
		}
		if (at + 1 < len && text[at + 1] == '$') {
			strbuf_addch(out, '$');
			at += 2;
			continue;
		}
		rc = find_reference(pass, text, len, at, base, &braces);
		if (rc < 0)
			return -1;
		if (rc == 0) {
			strbuf_addch(out, text[at++]);
			continue;
		}
		if (expand_reference(pass, in, text, at, &braces, base, depth, out) < 0)
			return -1;
		if (out->overflow)
			return fail(pass, base, len, "larger than 1 MiB after expansion");
		at = braces.end;
	}
	return 0;
}

int interpolate(const struct interpolation *how, const void *scope, const char *text,
                struct strbuf *out, size_t *ret_at, size_t *ret_len, struct error *err)
{
	cleanup(strbuf_release) struct strbuf result = STRBUF_INIT_MAX(INTERPOLATE_MAX_BYTES);
	struct pass pass = {.how = how, .err = err};
	struct expansion outermost = {.scope = scope};

	if (expand(&pass, &outermost, text, strlen(text), 0, 0, &result) < 0) {
		*ret_at = pass.at;
		*ret_len = pass.len;
		return -1;
	}
	strbuf_add(out, result.buf, result.len);
	return 0;
}

int interpolate_each(const char *text, reference_fn *fn, void *data, size_t *ret_at,
                     size_t *ret_len, struct error *err)
{
	cleanup(strbuf_release) struct strbuf ignored = STRBUF_INIT_MAX(INTERPOLATE_MAX_BYTES);
	struct pass pass = {.visit = fn, .visit_data = data, .err = err};
	struct expansion outermost = {0};

	if (expand(&pass, &outermost, text, strlen(text), 0, 0, &ignored) == 0)
		return 0;
	*ret_at = pass.at;
	*ret_len = pass.len;
	return -1;
}
