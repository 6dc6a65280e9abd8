"""Find what can be changed about subjects, for nerfgan edit: a file for each direction."""

VERBS = {
    "ganspace": "Along which subjects differ most; no labels needed.",
    "sefa": "That change the styles of chosen layers most; from the weights alone.",
    "regress": "Along which a measured number grows.",
    "interfacegan": "From one kind of subjects to another.",
}
