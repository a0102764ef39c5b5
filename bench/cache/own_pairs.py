"""Pairs of questions made from sentence frames: some ask the same, some do not.

`pairs(seed)` gives (one, other, 1 if they may share an answer). Frames of a line ask the same of what fills them.
"""

import random
from collections.abc import Iterator

Pair = tuple[str, str, int]

# Each line: ways to ask the same about something to do
DOING = [
    """how do i {}?|how can i {}?|what is the best way to {}?|how to {}|what should i do to {}?|how do you {}?|what
    are the steps to {}?|how would i {}?|what do i have to do to {}?|how does one {}?|what is a good way to
    {}?|how might someone {}?|i want to {}, how do i do that?|which is the best way to {}?|what must i do in
    order to {}?""",
    """should i {}?|is it a good idea to {}?|would it be wise to {}?|do you think i should {}?|is it a smart idea
    to {}?""",
    """how long does it take to {}?|how much time does it take to {}?|how much time is needed to {}?|what is the
    time required to {}?|how long will it take me to {}?""",
    """how much does it cost to {}?|what does it cost to {}?|what is the cost to {}?|how expensive is it to {}?""",
    """what happens if i {}?|what will happen if i {}?|what would happen if i {}?|what are the consequences if i
    {}?""",
    """is it safe to {}?|can i safely {}?|is it dangerous to {}?|are there any dangers if i {}?""",
    """why should i {}?|what are the reasons to {}?|what is the point if i {}?|for what reasons should one {}?""",
    """when should i {}?|what is the best time to {}?|when is the right time to {}?|at what time is it best to {}?""",
    """where can i {}?|what is the best place to {}?|where is a good place to {}?|which place is the best to {}?""",
    """is it possible to {}?|can i {}?|is there any way to {}?|is there a way i can {}?""",
    """who can help me {}?|whom can i ask to help me {}?|who could help me to {}?""",
    """what do i need to {}?|what is required to {}?|what are the requirements to {}?|what things are needed to {}?""",
    """what is the fastest way to {}?|what is the quickest way to {}?|how can i {} quickly?|how do i {} fast?""",
    """why can i not {}?|why am i unable to {}?|what stops me when i try to {}?""",
]
# Things to do: synonyms on a line, and lines with a blank line between them are far from each other
THINGS_TO_DO = """
lose weight|shed weight|reduce my weight|lose some weight
lose belly fat|get rid of belly fat|reduce belly fat
gain weight|put on weight
gain muscle|build muscle|put on muscle
stop eating sugar|quit eating sugar|give up sugar

learn python|learn python programming|study python
learn java|learn java programming|study java
learn guitar|learn to play the guitar|learn how to play guitar
learn to swim|learn swimming|learn how to swim
learn english|improve my english|get better at english
teach english|give english lessons
speak english fluently|become fluent in english|speak fluent english

make money online|earn money online|make money on the internet|earn money through the internet
save money|put money aside|save up money
borrow money|get a loan|take out a loan
invest money|invest my money|put my money into investments
invest in stocks|buy stocks|invest in the stock market
invest in gold|buy gold

reset my password|recover my password|change my forgotten password
reset my router|restart my router|reboot my router
delete my account|close my account|remove my account
create an account|open an account|set up an account|make an account
log in to my account|sign in to my account|access my account
cancel my subscription|end my subscription|stop my subscription
renew my subscription|extend my subscription
cancel my order|call off my order
track my order|follow my order|check the status of my order

become a doctor|work as a doctor|be a doctor
become a nurse|work as a nurse|be a nurse
become a pilot|work as a pilot|be a pilot
become a lawyer|work as a lawyer|be a lawyer
find a job|get a job|land a job
quit my job|leave my job|resign from my job
find a job abroad|get a job in another country|get work abroad
write a resume|write a cv|make a resume
prepare for an interview|get ready for an interview|prepare myself for an interview

cook rice|boil rice|make rice
cook pasta|boil pasta|make pasta
bake bread|make bread|make homemade bread
bake a cake|make a cake
brew coffee|make coffee
grow tomatoes|plant tomatoes
clean a carpet|wash a carpet|get a carpet clean
clean a keyboard|get a keyboard clean

download a video|save a video|get a video onto my computer
upload a video|post a video
edit a video|do video editing
convert a pdf to word|turn a pdf into a word document|change a pdf to word
convert a word document to pdf|turn a word document into a pdf
print a document|get a document printed
install linux|set up linux|put linux on my computer
uninstall linux|remove linux
install windows|set up windows
fix a slow computer|repair a slow computer|speed up my computer
fix a broken screen|repair a broken screen
learn to code|learn coding|learn programming|learn how to program
merge two branches in git|combine two git branches
undo a commit in git|revert a git commit
sort a list in python|order a list in python
reverse a list in python|invert a list in python
read a file in python|open and read a file in python
write a file in python|save a file in python

travel to japan|visit japan|take a trip to japan
travel to canada|visit canada|take a trip to canada
move to canada|relocate to canada|emigrate to canada
move to germany|relocate to germany|emigrate to germany
book a flight|reserve a flight|buy a plane ticket
book a hotel|reserve a hotel room|get a hotel room
get a passport|obtain a passport|apply for a passport
get a visa|obtain a visa|apply for a visa

fall asleep|get to sleep|go to sleep
wake up early|get up early|rise early
stop smoking|quit smoking|give up smoking
start smoking|take up smoking
stop drinking|quit drinking|give up alcohol
reduce stress|lower stress|relieve stress
cure a headache|get rid of a headache|treat a headache
cure a cold|get rid of a cold|treat a cold
get rid of acne|remove acne|clear up my acne
get rid of ants|remove ants|kill ants
improve my memory|get a better memory|boost my memory
improve my handwriting|get better handwriting
make friends|find friends|make new friends
forget someone|get over someone
write a novel|write a book
publish a book|get a book published
start a business|begin a business|set up a company|open a business
sell a business|sell my company
sell my car|get rid of my car by selling it
buy a used car|purchase a used car|get a second hand car
buy a house|purchase a house|buy a home
rent a house|rent a home
learn math|study math|learn mathematics|study mathematics
pass the exam|succeed in the exam|clear the exam
meditate|practice meditation|do meditation
donate blood|give blood
"""
ADDED = """in india|for free|at home|for beginners|as a student|without a degree|after 50|in winter|on my phone
in one week|on a mac|with a small budget|for my daughter|during pregnancy|at night|in the united states|online|by myself
for my company|before the summer|with my dog|in excel|on weekends|without my parents""".replace("\n", "|").split("|")

# Ways to ask the same about something there is
BEING = [
    """what is {}?|what does {} mean?|what is the meaning of {}?|define {}|explain {}|can you explain what {}
    is?|what do we mean by {}?|explain the meaning of {}""",
    """what is the best {}?|which {} is the best?|which is the best {}?|which {} would you recommend?|what is a
    really good {}?""",
    """how much does {} cost?|what is the price of {}?|what does {} cost?|how expensive is {}?|what is the cost of
    {}?""",
    """how does {} work?|how does {} function?|what is the working principle of {}?|in what way does {} work?""",
    """why is {} important?|what is the importance of {}?|why does {} matter?|what makes {} important?""",
    """what are the benefits of {}?|what are the advantages of {}?|what are the pros of {}?|how is {}
    beneficial?|what are some benefits of {}?""",
    """what are the disadvantages of {}?|what are the drawbacks of {}?|what are the cons of {}?|what are the
    downsides of {}?""",
    """who invented {}?|who is the inventor of {}?|which person invented {}?|who came up with {}?""",
    """when was {} invented?|in which year was {} invented?|what year was {} invented?""",
    """what is the history of {}?|what is the story behind {}?|how did {} come about?|how did {} start?""",
    """what is an example of {}?|what are some examples of {}?|can you give me an example of {}?|give an example of
    {}""",
    """what do you think about {}?|what is your opinion of {}?|what are your thoughts on {}?|what is your view on
    {}?""",
    """where can i learn about {}?|where can i read about {}?|what is a good source on {}?|what are good resources
    on {}?""",
    """what are the types of {}?|what kinds of {} are there?|what are the different types of {}?""",
    """what causes {}?|what is the cause of {}?|what are the causes of {}?|what leads to {}?""",
    """is {} bad for you?|is {} harmful?|does {} do harm?""",
    """what is the future of {}?|how will {} develop in the future?|what does the future of {} look like?""",
]
THINGS_THERE_ARE = """
machine learning|deep learning|statistics|data science
gravity|magnetism|friction
photosynthesis|respiration|evaporation
inflation|deflation|unemployment|recession
democracy|monarchy|communism|capitalism
blockchain|bitcoin|encryption
yoga|pilates|running|swimming
coffee|green tea|black tea|red wine
solar energy|wind energy|nuclear energy
electric cars|hybrid cars|diesel cars
meditation|hypnosis|therapy
insomnia|depression|anxiety|stress
a laptop|a tablet|a smartphone|a camera
the telephone|the light bulb|the radio|the steam engine
antibiotics|vaccines|vitamins|painkillers
open source software|cloud computing|a database|an operating system
social media|television|video games
climate change|air pollution|acid rain|deforestation
a mortgage|a credit card|a pension|life insurance
quantum computing|artificial intelligence|robotics
fasting|a vegan diet|a keto diet
homework|online learning|private school
"""
BOTH = [
    """what is the difference between {} and {}?|how is {} different from {}?|how does {} differ from {}?|what are
    the differences between {} and {}?|what distinguishes {} from {}?""",
    """which is better, {} or {}?|is {} better than {}?|should i choose {} or {}?""",
    """what do {} and {} have in common?|how is {} similar to {}?|what are the similarities between {} and {}?""",
    """what is the relationship between {} and {}?|how are {} and {} related?|how is {} related to {}?|what is the
    connection between {} and {}?""",
]
MOVES = [
    ("how do i get from {} to {}?", "what is the best way to get from {} to {}?", "how can i travel from {} to {}?"),
    ("how far is it from {} to {}?", "what is the distance from {} to {}?", "how far is {} from {}?"),
    ("translate this from {} into {}", "please translate from {} to {}", "can you translate it from {} into {}?"),
]
PLACES = """
london paris berlin madrid rome vienna tokyo delhi mumbai chicago boston dallas oslo prague lisbon cairo
"""


def pairs(seed: int, count: int) -> list[Pair]:
    """The same for the same seed: about half of them share an answer."""
    dice = random.Random(seed)
    makers = [_doing, _doing, _doing, _being, _being, _both, _moving]
    found: dict[Pair, None] = {}
    while len(found) < count:
        for pair in dice.choice(makers)(dice):
            if pair[0] != pair[1]:
                found[pair] = None
    return list(found)[:count]


def _frames(lines: list[str], dice: random.Random) -> list[str]:
    return " ".join(dice.choice(lines).split()).split("|")


def _families() -> list[list[list[str]]]:
    return [
        [line.split("|") for line in family.splitlines()] for family in THINGS_TO_DO.strip().split("\n\n")
    ]  # fmt: skip


def _doing(dice: random.Random) -> Iterator[Pair]:
    frames, others = _frames(DOING, dice), _frames(DOING, dice)
    family = dice.choice(_families())
    thing, near = (dice.choice(family) for _ in range(2))
    first, second = dice.sample(frames, 2)
    what, same = dice.choice(thing), dice.choice(thing)
    yield first.format(what), second.format(same), 1
    if near is not thing:
        yield dice.choice(frames).format(what), dice.choice(frames).format(dice.choice(near)), 0
    if others != frames:
        yield first.format(what), dice.choice(others).format(same), 0
    added, other_added = dice.sample(ADDED, 2)
    kind = dice.random()
    if kind < 0.3:
        yield first.format(what), second.format(f"{same} {added}"), 0
    elif kind < 0.6:
        yield first.format(f"{what} {added}"), second.format(f"{same} {other_added}"), 0
    else:
        yield first.format(f"{what} {added}"), second.format(f"{same} {added}"), 1


def _being(dice: random.Random) -> Iterator[Pair]:
    frames, others = _frames(BEING, dice), _frames(BEING, dice)
    thing, near = dice.sample(dice.choice(THINGS_THERE_ARE.strip().splitlines()).split("|"), 2)
    first, second = dice.sample(frames, 2)
    yield first.format(thing), second.format(thing), 1
    yield first.format(thing), second.format(near), 0
    if others != frames:
        yield first.format(thing), dice.choice(others).format(thing), 0
    if dice.random() < 0.5:
        yield first.format(thing), second.format(f"{thing} {dice.choice(ADDED)}"), 0


def _both(dice: random.Random) -> Iterator[Pair]:
    frames, others = _frames(BOTH, dice), _frames(BOTH, dice)
    family = dice.choice(THINGS_THERE_ARE.strip().splitlines()).split("|")
    one, other, third = dice.sample(family, 3)
    first, second = dice.sample(frames, 2)
    yield first.format(one, other), second.format(*dice.sample([one, other], 2)), 1
    yield first.format(one, other), second.format(one, third), 0
    if others != frames:
        yield first.format(one, other), dice.choice(others).format(one, other), 0


def _moving(dice: random.Random) -> Iterator[Pair]:
    frames = dice.choice(MOVES)
    one, other, third = dice.sample(PLACES.split(), 3)
    first, second = dice.sample(frames, 2)
    yield first.format(one, other), second.format(one, other), 1
    yield first.format(one, other), dice.choice(frames).format(other, one), 0
    yield first.format(one, other), dice.choice(frames).format(one, third), 0
