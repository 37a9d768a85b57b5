/* A stand-in for NVIDIA's management library: two cards that behave as a control file says.
 *
 * Compiled with -DCONTROL="path". The file has lines of `word number`; it is read at each start of the library and each
 * time that a card is looked up, so that a test can change it:
 *   lost N      the card 0B is lost after N more of its readings
 *   stale 1     every call says that the library was not started, until it is started anew
 *   absurd 1    all readings are nonsense
 *   energy N    what the cards used since their driver was loaded, in thousandths of a joule
 *   broken 1    every reading fails
 *   refuse N    the start fails with this code
 * While the file CONTROL.block exists, readings of power wait for up to 30 seconds. Each start and each look-up adds a line to
 * CONTROL.log. With -DMINIMAL the library has nothing but starts and look-ups; it cannot even end.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef int nvmlReturn_t;
enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, GPU_IS_LOST = 15, UNKNOWN = 999 };
typedef struct { int number; } card_t;
typedef card_t *nvmlDevice_t;
typedef struct {
    char legacy[16];
    unsigned domain, bus, device, ids, subsystem;
    char id[32];
} nvmlPciInfo_t;
typedef struct {
    unsigned field, scope;
    long long timestamp, latency;
    unsigned type;
    nvmlReturn_t result;
    union { double d; unsigned u; unsigned long long ull; } value;
} nvmlFieldValue_t;

static card_t cards[2] = {{0x0b}, {0x0c}};
static long lost_after = -1, energy_mj = 1000000;
static int stale, absurd, broken, refuse;

static void note(const char *what) {
    FILE *log = fopen(CONTROL ".log", "a");
    if (log) { fprintf(log, "%s\n", what); fclose(log); }
}

static void look(int at_start) {
    static long lost_seen = -1;
    char word[32];
    long number;
    FILE *file = fopen(CONTROL, "r");
    int stale_now = 0;
    absurd = broken = refuse = 0;
    long lost = -1;
    while (file && fscanf(file, "%31s %ld", word, &number) == 2) {
        if (!strcmp(word, "lost")) lost = number;
        if (!strcmp(word, "stale")) stale_now = (int)number;
        if (!strcmp(word, "absurd")) absurd = (int)number;
        if (!strcmp(word, "energy")) energy_mj = number;
        if (!strcmp(word, "broken")) broken = (int)number;
        if (!strcmp(word, "refuse")) refuse = (int)number;
    }
    if (file) fclose(file);
    if (lost != lost_seen || at_start) { lost_seen = lost_after = lost; }
    /* The driver is loaded anew once; the library that starts after it knows it. */
    static int stale_seen;
    if (at_start) { stale = 0; stale_seen = stale_now; }
    else if (stale_now != stale_seen) { stale = 1; }
}

nvmlReturn_t nvmlInit_v2(void) { note("start"); look(1); return refuse; }

nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *id, nvmlDevice_t *device) {
    char line[64];
    snprintf(line, sizeof line, "card %s", id);
    note(line);
    look(0);
    if (stale) return UNINITIALIZED;
    /* A driver that answers with the wrong card: 0D is not there. */
    if (!strcmp(id, "00000000:0B:00.0") || !strcmp(id, "00000000:0D:00.0")) *device = &cards[0];
    else if (!strcmp(id, "00000000:0C:00.0")) *device = &cards[1];
    else return NOT_FOUND;
    return (*device == &cards[0] && lost_after == 0) ? GPU_IS_LOST : SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci) {
    memset(pci, 0, sizeof *pci);
    pci->bus = (unsigned)device->number;
    snprintf(pci->id, sizeof pci->id, "00000000:%02X:00.0", pci->bus);
    return SUCCESS;
}

#ifndef MINIMAL
static nvmlReturn_t reading(nvmlDevice_t device) {
    if (stale) return UNINITIALIZED;
    if (device == &cards[0]) {
        if (lost_after == 0) return GPU_IS_LOST;
        if (lost_after > 0) lost_after--;
    }
    return broken ? UNKNOWN : SUCCESS;
}

static unsigned other(unsigned sane, unsigned mad) { return absurd ? mad : sane; }

nvmlReturn_t nvmlShutdown(void) { note("end"); return SUCCESS; }

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned length) {
    snprintf(version, length, "580.95.05");
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, int sensor, unsigned *celsius) {
    if (sensor != 0) return INVALID_ARGUMENT;
    *celsius = other(device == &cards[0] ? 64 : 41, 511);
    return reading(device);
}

nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t device, int kind, unsigned *celsius) {
    if (kind == 1) *celsius = other(93, 0);      /* slowdown */
    else if (kind == 2) *celsius = other(105, 0); /* memory */
    else return NOT_SUPPORTED;
    return reading(device);
}

nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *values) {
    for (int i = 0; i < count; i++) {
        /* The second card has no sensor at its memory. */
        int has = values[i].field == 82 && device == &cards[0];
        values[i].result = has ? SUCCESS : NOT_SUPPORTED;
        values[i].type = 1;
        values[i].value.u = other(82, 0);
    }
    return reading(device);
}

nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned *mw) {
    for (int i = 0; i < 3000 && !access(CONTROL ".block", F_OK); i++) {
        struct timespec time = {0, 10 * 1000 * 1000};
        nanosleep(&time, NULL);
    }
    *mw = other(143210, 4294967295u);
    return reading(device);
}

nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t device, unsigned long long *mj) {
    /* The second card is too old to count. */
    if (device != &cards[0]) return NOT_SUPPORTED;
    *mj = absurd ? 18446744073709551615ull : (unsigned long long)energy_mj;
    return reading(device);
}

nvmlReturn_t nvmlDeviceGetNumFans(nvmlDevice_t device, unsigned *fans) {
    *fans = device == &cards[0] ? other(2, 4000000000u) : 0;
    return reading(device);
}

nvmlReturn_t nvmlDeviceGetFanSpeed_v2(nvmlDevice_t device, unsigned fan, unsigned *percent) {
    *percent = other(fan ? 48 : 52, 900);
    return reading(device);
}

nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, int clock, unsigned *mhz) {
    if (clock != 0 && clock != 2) return INVALID_ARGUMENT;
    *mhz = other(clock ? 9501 : 1905, 4294967295u);
    return reading(device);
}

nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t device, unsigned long long *reasons) {
    /* Idle, power cap, software thermal; all bits when absurd. */
    *reasons = absurd ? ~0ull : 0x1 | 0x4 | 0x20;
    return reading(device);
}
#endif
