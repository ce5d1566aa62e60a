#include "schedule.h"

#define DEGREES_MAX 90U

// The pointer behind the table is what an hour of 24 reaches.
static struct {
    uint32_t degrees[HOURS];
    drive_t drive;
} schedule;

void schedule_drive(drive_t drive)
{
    schedule.drive = drive;
}

int set_point(uint32_t hour, uint32_t degrees)
{
    if (degrees > DEGREES_MAX) {
        return 1;
    }
    uint32_t *table = schedule.degrees;
    table[hour]     = degrees;
    return 0;
}

uint32_t hold(uint32_t hour)
{
    uint32_t degrees = schedule.degrees[hour % HOURS];
    schedule.drive(degrees);
    return degrees;
}
