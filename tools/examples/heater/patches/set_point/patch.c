// An hour behind the end of the schedule. In: set_point's arguments. Out: pass for an hour of the day, else "refused".
#include <hotpatch/patch.h>

#define HOURS   24
#define REFUSED 1

HP_PATCH(set_point)
{
    return context->r[0] < HOURS ? hp_pass() : hp_return(REFUSED);
}
