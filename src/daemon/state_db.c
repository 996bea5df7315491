#include "daemon/state_db.h"

#include "api/no_room.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>

#define SCHEMA_VERSION 2
#define BUSY_MS        2000

static const char schema[] =
	"BEGIN;"
	"CREATE TABLE project (id TEXT PRIMARY KEY, root TEXT NOT NULL, name TEXT NOT NULL,"
	" domain TEXT NOT NULL) STRICT;"
	"CREATE TABLE port (owner TEXT PRIMARY KEY, port INTEGER NOT NULL) STRICT;"
	"CREATE TABLE run (project TEXT NOT NULL, service TEXT NOT NULL, run INTEGER NOT NULL,"
	" fingerprint TEXT, wanted INTEGER NOT NULL, ready INTEGER NOT NULL DEFAULT 0,"
	" PRIMARY KEY (project, service)) STRICT;"
	"CREATE TABLE approval (root TEXT NOT NULL, digest TEXT NOT NULL, real_ns INTEGER NOT NULL,"
	" PRIMARY KEY (root, digest)) STRICT;"
	"PRAGMA user_version = 2;"
	"COMMIT;";

static const char from_version_1[] = "BEGIN;"
				     "ALTER TABLE run ADD COLUMN ready INTEGER NOT NULL DEFAULT 0;"
				     "PRAGMA user_version = 2;"
				     "COMMIT;";

struct state_db {
	sqlite3 *handle;
	char *path;
};

/* What the system said, where it is about room; 0 otherwise. */
static int room_failure(struct state_db *db)
{
	int code = sqlite3_system_errno(db->handle);

	if (sqlite3_errcode(db->handle) == SQLITE_FULL)
		return code == EDQUOT ? EDQUOT : ENOSPC;
	/* It tries another way then, and keeps the errno of that. */
	if (sqlite3_errcode(db->handle) == SQLITE_CANTOPEN && no_room_for_files(db->path))
		return ENOSPC;
	return code == ENOSPC || code == EDQUOT ? code : 0;
}

static int fail(struct state_db *db, const char *what, struct error *err)
{
	int code = room_failure(db);

	if (code) {
		error_errno(err, code, "%s", db->path);
		return no_room_explain(err, db->path);
	}
	return error_set(err, ERR_FAILED, "%s: %s: %s", db->path, what, sqlite3_errmsg(db->handle));
}

static void finalize(sqlite3_stmt **statement)
{
	sqlite3_finalize(*statement);
}

static sqlite3_stmt *prepare(struct state_db *db, const char *sql, struct error *err)
{
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL) != SQLITE_OK)
		fail(db, "prepare", err);
	return statement;
}

/* Binds a NULL-terminated list of texts to parameters 1, 2, …. */
static void bind_texts(sqlite3_stmt *statement, const char *const *texts)
{
	for (int i = 0; texts[i]; i++)
		sqlite3_bind_text(statement, i + 1, texts[i], -1, SQLITE_TRANSIENT);
}

static int run_statement(struct state_db *db, sqlite3_stmt *statement, struct error *err)
{
	int failure = fault_errno("state.write");

	if (failure)
		return error_errno(err, failure, "%s", db->path);
	if (sqlite3_step(statement) != SQLITE_DONE)
		return fail(db, "write", err);
	fault_point("state.written");
	return 0;
}

static int check_schema(struct state_db *db, struct error *err)
{
	cleanup(finalize) sqlite3_stmt *statement = prepare(db, "PRAGMA user_version", err);
	int version;

	if (!statement)
		return -1;
	if (sqlite3_step(statement) != SQLITE_ROW)
		return fail(db, "read version", err);
	version = sqlite3_column_int(statement, 0);
	if (version == SCHEMA_VERSION)
		return 0;
	if (version != 0 && version != 1) {
		error_set(err, ERR_DAEMON,
		          "%s was written by another version of locald (schema %d)", db->path,
		          version);
		return error_hint(err, "run the newer locald, or move the file away: "
		                       "only remembered ports are lost");
	}
	if (sqlite3_exec(db->handle, version == 1 ? from_version_1 : schema, NULL, NULL, NULL) !=
	    SQLITE_OK)
		return fail(db, "create tables", err);
	return 0;
}

static int open_handle(struct state_db *db, struct error *err)
{
	/* Made by us first, so that it is 0600 whatever the umask. */
	int fd = open(db->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0) {
		error_errno(err, errno, "%s", db->path);
		return no_room_explain(err, db->path);
	}
	close(fd);
	if (sqlite3_open_v2(db->path, &db->handle, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
		return fail(db, "open", err);
	sqlite3_busy_timeout(db->handle, BUSY_MS);
	/*
	 * There is one daemon (daemon.running is locked), so the file is its alone.  Then the
	 * WAL's index is in memory: a file of it would need room, which a full disk has not.
	 */
	if (sqlite3_exec(db->handle,
	                 "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
	                 "PRAGMA synchronous = NORMAL",
	                 NULL, NULL, NULL) != SQLITE_OK)
		return fail(db, "journal mode", err);
	return check_schema(db, err);
}

struct state_db *state_db_open(const char *path, struct error *err)
{
	struct state_db *db = xcalloc(1, sizeof(*db));

	db->path = xstrdup(path);
	if (open_handle(db, err) == 0)
		return db;
	state_db_close(db);
	return NULL;
}

void state_db_close(struct state_db *db)
{
	if (!db)
		return;
	sqlite3_close(db->handle);
	free(db->path);
	free(db);
}

int state_db_put_project(struct state_db *db, const struct state_project *project,
                         struct error *err)
{
	cleanup(finalize) sqlite3_stmt *statement =
		prepare(db, "INSERT OR REPLACE INTO project VALUES (?, ?, ?, ?)", err);

	if (!statement)
		return -1;
	bind_texts(statement, (const char *const[]){project->id, project->root, project->name,
	                                            project->domain, NULL});
	return run_statement(db, statement, err);
}

int state_db_each_project(struct state_db *db, state_project_fn *fn, void *data, struct error *err)
{
	cleanup(finalize) sqlite3_stmt *statement =
		prepare(db, "SELECT id, root, name, domain FROM project ORDER BY id", err);
	int step;

	if (!statement)
		return -1;
	while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
		const struct state_project project = {
			.id = (const char *)sqlite3_column_text(statement, 0),
			.root = (const char *)sqlite3_column_text(statement, 1),
			.name = (const char *)sqlite3_column_text(statement, 2),
			.domain = (const char *)sqlite3_column_text(statement, 3),
		};

		fn(&project, data);
	}
	return step == SQLITE_DONE ? 0 : fail(db, "read projects", err);
}

int state_db_drop_project(struct state_db *db, const char *id, struct error *err)
{
	static const char *const statements[] = {
		"DELETE FROM project WHERE id = ?1",
		"DELETE FROM run WHERE project = ?1",
		"DELETE FROM port WHERE substr(owner, 1, length(?1) + 1) = ?1 || '/'",
	};

	for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
		cleanup(finalize) sqlite3_stmt *statement = prepare(db, statements[i], err);

		if (!statement)
			return -1;
		bind_texts(statement, (const char *const[]){id, NULL});
		if (run_statement(db, statement, err) < 0)
			return -1;
	}
	return 0;
}

int state_db_put_port(struct state_db *db, const char *owner, int port, struct error *err)
{
	cleanup(finalize) sqlite3_stmt *statement =
		prepare(db, "INSERT OR REPLACE INTO port VALUES (?, ?)", err);

	if (!statement)
		return -1;
	bind_texts(statement, (const char *const[]){owner, NULL});
	sqlite3_bind_int(statement, 2, port);
	return run_statement(db, statement, err);
}

int state_db_each_port(struct state_db *db, state_port_fn *fn, void *data, struct error *err)
{
	cleanup(finalize) sqlite3_stmt *statement =
		prepare(db, "SELECT owner, port FROM port ORDER BY owner", err);
	int step;

	if (!statement)
		return -1;
	while ((step = sqlite3_step(statement)) == SQLITE_ROW)
		fn((const char *)sqlite3_column_text(statement, 0),
		   sqlite3_column_int(statement, 1), data);
	return step == SQLITE_DONE ? 0 : fail(db, "read ports", err);
}

int state_db_put_run(struct state_db *db, const char *project, const struct state_run *run,
                     struct error *err)
{
	/* Most changes of state change none of this: then nothing is written. */
	cleanup(finalize) sqlite3_stmt *statement = prepare(
		db,
		"INSERT INTO run VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
		" ON CONFLICT DO UPDATE SET run = ?3, fingerprint = ?4, wanted = ?5, ready = ?6"
		" WHERE run != ?3 OR fingerprint IS NOT ?4 OR wanted != ?5 OR ready != ?6",
		err);

	if (!statement)
		return -1;
	bind_texts(statement, (const char *const[]){project, run->service, NULL});
	sqlite3_bind_int64(statement, 3, run->run);
	sqlite3_bind_text(statement, 4, run->fingerprint, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int(statement, 5, run->wanted);
	sqlite3_bind_int(statement, 6, run->ready);
	return run_statement(db, statement, err);
}

int state_db_each_run(struct state_db *db, const char *project, state_run_fn *fn, void *data,
                      struct error *err)
{
	cleanup(finalize) sqlite3_stmt *statement = prepare(
		db, "SELECT service, run, fingerprint, wanted, ready FROM run WHERE project = ?",
		err);
	int step;

	if (!statement)
		return -1;
	bind_texts(statement, (const char *const[]){project, NULL});
	while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
		const struct state_run run = {
			.service = (const char *)sqlite3_column_text(statement, 0),
			.run = (uint32_t)sqlite3_column_int64(statement, 1),
			.fingerprint = (const char *)sqlite3_column_text(statement, 2),
			.wanted = sqlite3_column_int(statement, 3) != 0,
			.ready = sqlite3_column_int(statement, 4) != 0,
		};

		fn(&run, data);
	}
	return step == SQLITE_DONE ? 0 : fail(db, "read runs", err);
}

int state_db_approve(struct state_db *db, const char *root, const char *digest, int64_t real_ns,
                     struct error *err)
{
	cleanup(finalize) sqlite3_stmt *statement =
		prepare(db, "INSERT OR REPLACE INTO approval VALUES (?, ?, ?)", err);

	if (!statement)
		return -1;
	bind_texts(statement, (const char *const[]){root, digest, NULL});
	sqlite3_bind_int64(statement, 3, real_ns);
	return run_statement(db, statement, err);
}

int state_db_is_approved(struct state_db *db, const char *root, const char *digest, bool *ret,
                         struct error *err)
{
	cleanup(finalize) sqlite3_stmt *statement =
		prepare(db, "SELECT 1 FROM approval WHERE root = ? AND digest = ?", err);
	int step;

	if (!statement)
		return -1;
	bind_texts(statement, (const char *const[]){root, digest, NULL});
	step = sqlite3_step(statement);
	if (step != SQLITE_ROW && step != SQLITE_DONE)
		return fail(db, "read approvals", err);
	*ret = step == SQLITE_ROW;
	return 0;
}
