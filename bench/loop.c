/*
 * The yardstick of bench/run: one rotation of every NAME in DIR with nothing
 * but the system calls that its result asks for, 20 per NAME:
 *
 *   4  fstatat of the four slots: which are there, of what size and epoch
 *   1  link that keeps the expired key in hand
 *   6  link + rename for 3 <- 2, 2 <- 1, 1 <- 0: no slot is ever missing
 *   5  openat O_EXCL, write, futimens, close, rename: the new next key
 *   4  openat, pwrite, close, unlink: the expired key is overwritten and gone
 *
 * Randomness comes in bulk, nothing is allocated per NAME, every path is
 * relative to the directory's descriptor. It takes the lock, but it plans
 * nothing, checks no key for weakness and recovers from nothing.
 *
 *	loop DIR [PERIOD]
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 80, BULK = 400, NAME = 200 };

static const char tmp[] = ".loop-tmp";
static const char old[] = ".loop-old";

static int dir;
static unsigned char pool[BULK * SIZE];
static size_t left;

static const unsigned char *
fresh(void)
{
	if (left == 0) {
		size_t got = 0;

		while (got < sizeof pool) {
			ssize_t n = getrandom(pool + got, sizeof pool - got, 0);

			if (n < 0 && errno != EINTR)
				err(111, "getrandom");
			if (n > 0)
				got += (size_t)n;
		}
		left = BULK;
	}
	return pool + --left * SIZE;
}

static void
replace(const char *from, const char *to)
{
	if (linkat(dir, from, dir, tmp, 0) < 0)
		err(111, "cannot link %s", from);
	if (renameat(dir, tmp, dir, to) < 0)
		err(111, "cannot rename to %s", to);
}

static void
rotate(const char *name, size_t len, const struct timespec times[2])
{
	static const unsigned char zero[SIZE];
	char slot[4][NAME + sizeof ".0.key"];
	struct stat st;
	int fd, i;

	for (i = 0; i < 4; i++) {
		memcpy(slot[i], name, len);
		memcpy(slot[i] + len, ".0.key", sizeof ".0.key");
		slot[i][len + 1] = (char)('0' + i);
		if (fstatat(dir, slot[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			err(111, "cannot stat %s", slot[i]);
		if (st.st_size != SIZE)
			errx(1, "%s is not a key", slot[i]);
	}
	if (linkat(dir, slot[3], dir, old, 0) < 0)
		err(111, "cannot link %s", slot[3]);
	replace(slot[2], slot[3]);
	replace(slot[1], slot[2]);
	replace(slot[0], slot[1]);

	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		err(111, "cannot create %s", tmp);
	if (write(fd, fresh(), SIZE) != SIZE)
		err(111, "cannot write %s", tmp);
	if (futimens(fd, times) < 0)
		err(111, "cannot date %s", tmp);
	close(fd);
	if (renameat(dir, tmp, dir, slot[0]) < 0)
		err(111, "cannot rename to %s", slot[0]);

	fd = openat(dir, old, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		err(111, "cannot open %s", old);
	if (pwrite(fd, zero, SIZE, 0) != SIZE)
		err(111, "cannot overwrite %s", old);
	close(fd);
	if (unlinkat(dir, old, 0) < 0)
		err(111, "cannot unlink %s", old);
}

int
main(int argc, char *argv[])
{
	static const char mark[] = ".1.key";
	struct timespec times[2];
	struct dirent *entry;
	char *names = NULL, *name;
	size_t used = 0, room = 0, len;
	long period;
	DIR *all;

	if (argc < 2 || argc > 3)
		errx(100, "usage: loop DIR [PERIOD]");
	period = argc == 3 ? atol(argv[2]) : 43200;
	if (period < 1)
		errx(100, "a period has at least one second");

	dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		err(111, "cannot open %s", argv[1]);
	if (flock(dir, LOCK_EX) < 0)
		err(111, "cannot lock %s", argv[1]);

	/* The set of NAMEs first: the directory changes under the rotation. */
	all = fdopendir(dup(dir));
	if (all == NULL)
		err(111, "cannot read %s", argv[1]);
	while ((entry = readdir(all)) != NULL) {
		len = strlen(entry->d_name);
		if (len < sizeof mark || entry->d_name[0] == '.'
		    || len - (sizeof mark - 1) > NAME
		    || memcmp(entry->d_name + len - (sizeof mark - 1), mark, sizeof mark) != 0)
			continue;
		len -= sizeof mark - 1;
		if (room - used < len + 1) {
			room = 2 * room + 4096;
			names = realloc(names, room);
			if (names == NULL)
				err(111, "no memory");
		}
		memcpy(names + used, entry->d_name, len);
		names[used + len] = '\0';
		used += len + 1;
	}
	closedir(all);

	umask(077);
	times[0].tv_nsec = UTIME_OMIT;
	times[1].tv_sec = (time(NULL) / period + 1) * period;
	times[1].tv_nsec = 0;
	for (name = names; used > 0; name += len + 1, used -= len + 1) {
		len = strlen(name);
		rotate(name, len, times);
	}
	explicit_bzero(pool, sizeof pool);
	return 0;
}
