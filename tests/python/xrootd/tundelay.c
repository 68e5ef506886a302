/* tundelay NAMESPACE NEAR FAR ONE_WAY_US [MBYTES_PER_S [LOSS_PPM]]
 *
 * A link with a delay, for kernels without netem: the tun device NEAR in this network namespace and FAR in
 * NAMESPACE (a name of `ip netns`). Each packet is handed on ONE_WAY_US microseconds after it came, at no more
 * than MBYTES_PER_S; LOSS_PPM of a million are dropped. Prints "up" when both devices are there, and runs until
 * it is killed, which removes them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 1 << 15, LARGEST = 1 << 16 };
static const long SECOND = 1000000000L;
/* What a router would buffer: packets that would wait longer for the line are dropped. */
static const long LONGEST_QUEUE = 200000000L;

struct packet {
    long due;
    size_t length;
    unsigned char *bytes;
};

/* One direction. `head` is written by the reader alone, `tail` by the writer alone, both under the lock. */
struct direction {
    int from, to;
    struct packet slots[SLOTS];
    unsigned long head, tail;
    pthread_mutex_t lock;
    pthread_cond_t filled;
};

static long delay;         /* ns */
static double line_rate;   /* bytes per ns; 0: no limit */
static unsigned loss;      /* of a million */

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

static int open_tun(const char *name) {
    struct ifreq request;
    int device = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (device < 0) fail("/dev/net/tun");
    memset(&request, 0, sizeof request);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    snprintf(request.ifr_name, IFNAMSIZ, "%s", name);
    if (ioctl(device, TUNSETIFF, &request) < 0) fail(name);
    return device;
}

/* Opens the device in a namespace, and comes back from there. */
static int open_tun_in(const char *namespace, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "/var/run/netns/%s", namespace);
    int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int there = open(path, O_RDONLY | O_CLOEXEC);
    if (here < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0) fail(path);
    int device = open_tun(name);
    if (setns(here, CLONE_NEWNET) < 0) fail("/proc/self/ns/net");
    close(here);
    close(there);
    return device;
}

static int is_lost(unsigned *seed) {
    return loss && (unsigned)rand_r(seed) % 1000000u < loss;
}

/* Takes packets in and gives each the time at which it leaves. */
static void *receive(void *argument) {
    struct direction *way = argument;
    unsigned char *buffer = malloc(LARGEST);
    unsigned seed = 12345;
    long line_free = 0;
    for (;;) {
        ssize_t length = read(way->from, buffer, LARGEST);
        if (length < 0 && errno != EINTR && errno != EAGAIN) fail("read");
        if (length <= 0 || is_lost(&seed)) continue;
        long sent = now();
        if (line_rate > 0) {
            if (line_free < sent) line_free = sent;
            if (line_free - sent > LONGEST_QUEUE) continue;
            line_free += (long)((double)length / line_rate);
            sent = line_free;
        }
        pthread_mutex_lock(&way->lock);
        int full = way->head - way->tail >= SLOTS;
        pthread_mutex_unlock(&way->lock);
        if (full) continue;
        struct packet *packet = &way->slots[way->head % SLOTS];
        packet->due = sent + delay;
        packet->length = (size_t)length;
        packet->bytes = malloc((size_t)length);
        memcpy(packet->bytes, buffer, (size_t)length);
        pthread_mutex_lock(&way->lock);
        way->head++;
        pthread_cond_signal(&way->filled);
        pthread_mutex_unlock(&way->lock);
    }
    return NULL;
}

/* Hands packets on when they are due. */
static void *send_on(void *argument) {
    struct direction *way = argument;
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    for (;;) {
        pthread_mutex_lock(&way->lock);
        while (way->head == way->tail) pthread_cond_wait(&way->filled, &way->lock);
        pthread_mutex_unlock(&way->lock);
        struct packet *packet = &way->slots[way->tail % SLOTS];
        if (packet->due > now()) {
            struct timespec due = {packet->due / SECOND, packet->due % SECOND};
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
        }
        /* A packet that the other side does not take is a lost packet. */
        ssize_t written = write(way->to, packet->bytes, packet->length);
        (void)written;
        free(packet->bytes);
        pthread_mutex_lock(&way->lock);
        way->tail++;
        pthread_mutex_unlock(&way->lock);
    }
    return NULL;
}

static void start(int from, int to) {
    struct direction *way = calloc(1, sizeof *way);
    pthread_t thread;
    if (!way) fail("calloc");
    way->from = from;
    way->to = to;
    pthread_mutex_init(&way->lock, NULL);
    pthread_cond_init(&way->filled, NULL);
    if (pthread_create(&thread, NULL, receive, way) || pthread_create(&thread, NULL, send_on, way)) fail("thread");
}

int main(int count, char **arguments) {
    if (count < 5) {
        fprintf(stderr, "usage: tundelay NAMESPACE NEAR FAR ONE_WAY_US [MBYTES_PER_S [LOSS_PPM]]\n");
        return 2;
    }
    delay = atol(arguments[4]) * 1000;
    line_rate = count > 5 ? atof(arguments[5]) / 1000 : 0;
    loss = count > 6 ? (unsigned)atoi(arguments[6]) : 0;
    int near = open_tun(arguments[2]);
    int far = open_tun_in(arguments[1], arguments[3]);
    start(near, far);
    start(far, near);
    puts("up");
    fflush(stdout);
    for (;;) pause();
}
