/* Put before the C library of one program: counts its calls to the kernel, makes one of them fail, or kills it there.
 *
 *   NETWRIGHT_FAULT=CALL:NUMBER:WHAT   WHAT is an errno's number, `before` or `after` (killed there)
 *   NETWRIGHT_CALLS=FILE               where the counts go at the end
 *
 * strace can inject faults too, but it counts the calls of each thread for itself: with a short-lived thread for each
 * look into a namespace, only the first of them would ever be met, and all of them at once.
 */
#define _GNU_SOURCE
#define pipe2 declared_pipe2
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>
#undef pipe2

#define CALLS                                                                                                          \
    CALL(access) CALL(bind) CALL(fdopendir) CALL(flock) CALL(fstatfs64) CALL(ftruncate64) CALL(getifaddrs)             \
    CALL(mkdir) CALL(mount) CALL(open64) CALL(openat64) CALL(opendir) CALL(pipe2) CALL(poll) CALL(posix_spawnp)        \
    CALL(pidfd_spawnp) CALL(pthread_create) CALL(read) CALL(recv) CALL(recvfrom) CALL(rename) CALL(send)               \
    CALL(sendto) CALL(setns) CALL(setsockopt) CALL(signalfd) CALL(socket) CALL(statx) CALL(symlink) CALL(umount2)      \
    CALL(unlink) CALL(unlinkat) CALL(unshare) CALL(waitpid) CALL(write) CALL(fsync) CALL(rmdir) CALL(fdatasync)

#define CALL(name) AT_##name,
enum call { CALLS COUNT };
#undef CALL
#define CALL(name) #name,
static const char *const names[] = {CALLS};
#undef CALL

enum { NOTHING, ERRNO, BEFORE, AFTER };

static atomic_long counts[COUNT];
static int what, error, target = COUNT;
static long number;
static char counted[256];

/* Tools that it starts inherit the environment and are left alone. */
static int is_ours(void) {
    return strcmp(program_invocation_short_name, "netwright") == 0;
}

__attribute__((constructor)) static void begin(void) {
    const char *fault = getenv("NETWRIGHT_FAULT"), *file = getenv("NETWRIGHT_CALLS");
    char name[32], how[16];
    if (!is_ours())
        return;
    if (file)
        snprintf(counted, sizeof counted, "%s", file);
    memset(counts, 0, sizeof counts);
    if (!fault || sscanf(fault, "%31[^:]:%ld:%15s", name, &number, how) != 3)
        return;
    what = strcmp(how, "before") == 0 ? BEFORE : strcmp(how, "after") == 0 ? AFTER : ERRNO;
    error = atoi(how);
    for (int call = 0; call < COUNT; call++)
        if (strcmp(names[call], name) == 0)
            target = call;
}

__attribute__((destructor)) static void end(void) {
    if (!counted[0] || !is_ours())
        return;
    long seen[COUNT];
    for (int call = 0; call < COUNT; call++)
        seen[call] = counts[call];
    FILE *file = fopen(counted, "w");
    if (!file)
        return;
    for (int call = 0; call < COUNT; call++)
        fprintf(file, "%s %ld\n", names[call], seen[call]);
    fclose(file);
}

/* How it ends by itself: destructors do not run then. */
void _exit(int status) {
    end();
    syscall(SYS_exit_group, status);
    __builtin_unreachable();
}

static int is_hit(enum call call) {
    int hit = atomic_fetch_add(&counts[call], 1) + 1 == number && (int)call == target;
    if (hit && what == BEFORE)
        kill(getpid(), SIGKILL), pause();
    return hit;
}

/* The call itself unless it is to fail. Some return the error, others -1 and errno. */
#define RUN(type, name, failed, types, ...)                                                                            \
    static type(*real) types;                                                                                          \
    if (!real)                                                                                                         \
        real = (type(*) types)dlsym(RTLD_NEXT, #name);                                                                 \
    int hit = is_hit(AT_##name);                                                                                       \
    if (hit && what == ERRNO) {                                                                                        \
        errno = error;                                                                                                 \
        return failed;                                                                                                 \
    }                                                                                                                  \
    type result = real(__VA_ARGS__);                                                                                   \
    if (hit && what == AFTER)                                                                                          \
        kill(getpid(), SIGKILL), pause();                                                                              \
    return result;

#define HOOK1(type, name, failed, A)                                                                                   \
    type name(A a) { RUN(type, name, failed, (A), a) }
#define HOOK2(type, name, failed, A, B)                                                                                \
    type name(A a, B b) { RUN(type, name, failed, (A, B), a, b) }
#define HOOK3(type, name, failed, A, B, C)                                                                             \
    type name(A a, B b, C c) { RUN(type, name, failed, (A, B, C), a, b, c) }
#define HOOK4(type, name, failed, A, B, C, D)                                                                          \
    type name(A a, B b, C c, D d) { RUN(type, name, failed, (A, B, C, D), a, b, c, d) }
#define HOOK5(type, name, failed, A, B, C, D, E)                                                                       \
    type name(A a, B b, C c, D d, E e) { RUN(type, name, failed, (A, B, C, D, E), a, b, c, d, e) }
#define HOOK6(type, name, failed, A, B, C, D, E, F)                                                                    \
    type name(A a, B b, C c, D d, E e, F f) { RUN(type, name, failed, (A, B, C, D, E, F), a, b, c, d, e, f) }

typedef const char *path;
typedef void *pointer;
typedef pointer (*body)(pointer);

HOOK2(int, access, -1, path, int)
HOOK3(int, bind, -1, int, const struct sockaddr *, socklen_t)
HOOK1(DIR *, fdopendir, NULL, int)
HOOK1(int, fdatasync, -1, int)
HOOK1(int, fsync, -1, int)
HOOK2(int, flock, -1, int, int)
HOOK2(int, fstatfs64, -1, int, pointer)
HOOK2(int, ftruncate64, -1, int, off64_t)
HOOK1(int, getifaddrs, -1, pointer)
HOOK2(int, mkdir, -1, path, mode_t)
HOOK5(int, mount, -1, path, path, path, unsigned long, const void *)
HOOK1(DIR *, opendir, NULL, path)
HOOK2(int, pipe2, -1, pointer, int)
HOOK3(int, poll, -1, pointer, unsigned long, int)
HOOK6(int, posix_spawnp, error, pid_t *, path, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
      char *const *, char *const *)
HOOK6(int, pidfd_spawnp, error, int *, path, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
      char *const *, char *const *)
HOOK4(int, pthread_create, error, pthread_t *, const pthread_attr_t *, body, pointer)
HOOK3(ssize_t, read, -1, int, pointer, size_t)
HOOK4(ssize_t, recv, -1, int, pointer, size_t, int)
HOOK6(ssize_t, recvfrom, -1, int, pointer, size_t, int, struct sockaddr *, socklen_t *)
HOOK2(int, rename, -1, path, path)
HOOK1(int, rmdir, -1, path)
HOOK4(ssize_t, send, -1, int, const void *, size_t, int)
HOOK6(ssize_t, sendto, -1, int, const void *, size_t, int, const struct sockaddr *, socklen_t)
HOOK2(int, setns, -1, int, int)
HOOK5(int, setsockopt, -1, int, int, int, const void *, socklen_t)
HOOK3(int, signalfd, -1, int, const sigset_t *, int)
HOOK3(int, socket, -1, int, int, int)
HOOK5(int, statx, -1, int, path, int, unsigned int, struct statx *)
HOOK2(int, symlink, -1, path, path)
HOOK2(int, umount2, -1, path, int)
HOOK1(int, unlink, -1, path)
HOOK3(int, unlinkat, -1, int, path, int)
HOOK1(int, unshare, -1, int)
HOOK3(pid_t, waitpid, -1, pid_t, int *, int)
HOOK3(ssize_t, write, -1, int, const void *, size_t)

static mode_t mode_of(int flags, va_list list) {
    return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(list, mode_t) : 0;
}

int open64(path a, int flags, ...) {
    va_list list;
    va_start(list, flags);
    mode_t mode = mode_of(flags, list);
    va_end(list);
    RUN(int, open64, -1, (path, int, ...), a, flags, mode)
}

int openat64(int folder, path a, int flags, ...) {
    va_list list;
    va_start(list, flags);
    mode_t mode = mode_of(flags, list);
    va_end(list);
    RUN(int, openat64, -1, (int, path, int, ...), folder, a, flags, mode)
}
