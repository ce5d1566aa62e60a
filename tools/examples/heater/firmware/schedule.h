// The temperature the heater holds, hour by hour.
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include <stdint.h>

#define HOURS 24U

typedef void (*drive_t)(uint32_t degrees);

// Told what to hold from now on.
void schedule_drive(drive_t drive);

// Sets one hour; 0, or 1 if the temperature is out of range. Never looks at the hour: the bug that the patch repairs.
int set_point(uint32_t hour, uint32_t degrees);

// What the hour holds; drives the heater to it.
uint32_t hold(uint32_t hour);

#endif
