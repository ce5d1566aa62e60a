# No import star at all: a bubble sort and a dictionary.
values = [7, 3, 9, 1, 8, 2]
for end in range(len(values) - 1, 0, -1):
    for index in range(end):
        if values[index] > values[index + 1]:
            values[index], values[index + 1] = values[index + 1], values[index]
print(values, {value: value * value for value in values[:3]})
