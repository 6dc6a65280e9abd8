"""Official pickles read as data, without running anything in them (eg3d.md section 8).

A pickle is a program for a small stack machine. Python's reader imports what the program names and
calls it. This one can neither import nor call: a global name is looked up, exactly, in a table of
(module, name) pairs, and the rule found there turns plain arguments into a plain value. What is
not in the table, and every instruction that no checkpoint needs, is refused.

Memory is bounded by the file: byte strings stay views of it, so that an instruction creates one
small object, and the number of instructions is limited. Nothing recurses over the values.

    interpreter   the loop over the instructions; the errors it ends with
    instructions  what each of them does
    machine       stack, marks, memo; rules and limits
    vocabulary    the allowed names, and what stands in for each
    tensors       torch's storages and tensors; arrays: numpy's
    graph         refuses cycles, deep nesting and small files that unfold to huge values
"""
