"""Whether an answer that was given to one question may be given to another: a judgement, and what it is made of."""
