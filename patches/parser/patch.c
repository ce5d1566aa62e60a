/// Stop 1 of 12. A record whose text is longer than the parser's buffer. In: parse_record's arguments. Out: pass if the text
/// fits, else PARSE_REFUSED to the caller. Next: host/patchctl/description.py
#include <hotpatch/patch.h>

#define RECORD_HEAD_BYTES  2 ///< kind, length of the text
#define READING_TEXT_BYTES 16
#define PARSE_REFUSED      1

HP_PATCH(parser)
{
    const u32 record = context->r[0];
    const u32 size   = context->r[1];
    if (size < RECORD_HEAD_BYTES || hp_firmware_u8(record + 1) <= READING_TEXT_BYTES) {
        return hp_pass(); // what is cut short the parser refuses itself
    }
    return hp_return(PARSE_REFUSED);
}
