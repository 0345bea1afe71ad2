/*
 * Runs a program and says on descriptor 3 how long it took, in microseconds,
 * and how much memory it had at most, in KiB. Linked statically, because a
 * child's peak begins with what its parent had when it forked.
 *
 *	peak PROG [ARG...] 3>>FILE
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int
main(int argc, char *argv[])
{
	struct timespec from, to;
	struct rusage used;
	int status;
	pid_t pid;

	if (argc < 2)
		errx(100, "usage: peak PROG [ARG...] 3>>FILE");
	clock_gettime(CLOCK_MONOTONIC, &from);
	pid = fork();
	if (pid < 0)
		err(111, "cannot fork");
	if (pid == 0) {
		close(3);
		execvp(argv[1], argv + 1);
		err(errno == ENOENT ? 127 : 126, "cannot run %s", argv[1]);
	}
	while (wait4(pid, &status, 0, &used) < 0)
		if (errno != EINTR)
			err(111, "cannot wait");
	clock_gettime(CLOCK_MONOTONIC, &to);
	dprintf(3, "%lld %ld\n",
	    (to.tv_sec - from.tv_sec) * 1000000LL + (to.tv_nsec - from.tv_nsec) / 1000,
	    used.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
