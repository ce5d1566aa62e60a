import hotpatch

print(hotpatch.patches())
counters = hotpatch.counters()
print(len(counters), counters["hits"], counters["core_faults"])
print(len(hotpatch.build_id()))
try:
    hotpatch.confirm("nobody")
except KeyError as error:
    print("KeyError", error)
