"""Words of English that say something to a judge of questions: tables, none of them fitted to a sample. Pure."""


def _words(text: str) -> list[str]:
    return text.split()


def _phrases(text: str) -> list[str]:
    return [" ".join(phrase.split()) for phrase in text.split("|")]


def _sets(text: str) -> dict[str, frozenset[str]]:
    """`one two: three four;` means that each word left of the colon opposes each right of it."""
    opposed: dict[str, set[str]] = {}
    for line in text.strip().rstrip(";").split(";"):
        left, right = (side.split() for side in line.split(":"))
        for one, others in ((left, right), (right, left)):
            for word in one:
                opposed.setdefault(word, set()).update(others)
    return {word: frozenset(others) for word, others in opposed.items()}


STOP = frozenset(
    _words(
        """
    a an the of to in on at by for from with and or but if then than as is are was were be been being am do does
    did doing done have has had having i me my mine myself you your yours yourself he him his she her hers it
    its we us our they them their this that these those there here what which who whom whose when where why how
    can could will would shall should may might must so such some any each about into onto over out up down off
    again also just only very too much many more most own same not no nor never don't s t re ve ll d m get gets
    got one ones way ways thing things like really actually ever yet still even now please best good use used
    using make made go goes going want need someone something anyone anything people person
    """
    )
)

NEGATORS = frozenset(
    _words(
        """
    not no never none nobody nothing nowhere neither nor without cannot hardly barely scarcely rarely seldom
    lack lacks lacking except excluding unless fail fails failed refuse refuses avoid prevent
    """
    )
)

NUMBERS = {
    word: str(value)
    for value, word in enumerate(
        _words(
            """
    zero - two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty
    """
        )
    )
} | {
    word: value
    for word, value in zip(
        _words(
            """
    thirty forty fifty sixty seventy eighty ninety hundred thousand million billion trillion half quarter third
    dozen double twice triple first second fourth fifth sixth seventh eighth ninth tenth couple single once both
    lakh crore
    """
        ),
        _words(
            """
    30 40 50 60 70 80 90 100 1000 1e6 1e9 1e12 1/2 1/4 3rd 12 2x 2x 3x 1st 2nd 4th 5th 6th 7th 8th 9th 10th 2 1
    1x 2 1e5 1e7
    """
        ),
        strict=True,
    )
}

DATES = {
    word: words.split()[0]
    for words in _phrases(
        """
    january jan|february feb|march|april apr|may|june jun|july jul|august aug|september sept sep|october
    oct|november nov|december dec|monday mondays mon|tuesday tuesdays tue|wednesday wednesdays wed|thursday
    thursdays thu|friday fridays fri|saturday saturdays sat|sunday sundays
    sun|today|tonight|tomorrow|yesterday|noon|midnight|morning|afternoon|evening|weekend weekends|weekday
    weekdays|spring|summer|autumn fall|winter|christmas xmas|easter|thanksgiving|halloween|annually yearly
    annual|monthly|weekly|daily|hourly|decade decades|century centuries|previous last|next|current
    currently|ago|am|pm
    """
    )
    for word in words.split()
}
AMBIGUOUS_DATES = frozenset(
    ["march", "may", "mar", "sun", "mon", "sat", "fall", "spring", "am", "second"]
)  # dates only where written so

UNITS = {
    word: words.split()[0]
    for words in _phrases(
        """
    kilometer kilometers kilometre kilometres km kms|mile miles mi|meter meters metre metres|centimeter
    centimeters centimetre centimetres cm|millimeter millimeters millimetre mm|inch inches|foot feet ft|yard
    yards|kilogram kilograms kg kgs kilo kilos|gram grams|pound pounds lb lbs|ounce ounces oz|ton tons tonne
    tonnes|liter liters litre litres|gallon gallons|milliliter milliliters ml|cup cups|tablespoon tablespoons
    tbsp|teaspoon teaspoons tsp|celsius centigrade|fahrenheit|kelvin|minute minutes min mins|hour hours hr
    hrs|day days|week weeks|month months|year years yr yrs|millisecond milliseconds ms|dollar dollars usd $|euro
    euros eur €|rupee rupees inr ₹|yen jpy ¥|gbp £|bitcoin bitcoins btc|cent cents|byte bytes|bit bits|kilobyte
    kilobytes kb|megabyte megabytes mb|gigabyte gigabytes gb|terabyte terabytes tb|kilowatt kw|watt watts|volt
    volts|amp amps ampere|joule joules|calorie calories kcal|hertz hz|mph|kph kmh|acre acres|hectare
    hectares|percent % percentage|degree degrees °|mg milligram milligrams|mcg microgram
    """
    )
    for word in words.split()
}

# What is asked for. A question about a time is not one about a place; `what` and `which` may stand for any of them
FOCUS = {"who": "who", "whom": "who", "whose": "who", "when": "when", "where": "where", "why": "why", "how": "how"}
AMOUNTS = frozenset(_words("many much long far old often tall big fast deep high heavy soon large expensive"))
POLAR = {
    word: kind
    for kind, words in {
        "is it so": "is are was were am do does did has have had",
        "can it be": "can could may might",
        "should it be": "should shall must ought",
        "will it be": "will would",
    }.items()
    for word in words.split()
}
# Of `what` and of questions for yes or no, the first of these words says what they are after
ASIDE = {
    word: kind
    for kind, words in {
        "how": "way ways method methods step steps process procedure technique techniques do tips",
        "when": "time year date",
        "where": "place places location",
        "why": "reason reasons cause causes makes purpose point",
        "amount": """price cost costs distance number amount length height width age salary size weight speed percentage
            duration population""",
        "who": "person",
    }.items()
    for word in words.split()
}
POLAR_ASIDE = {"possible": "can it be", "way": "can it be", "good": "should it be", "wise": "should it be",
    "worth": "should it be", "better": "should it be", "smart": "should it be"}  # fmt: skip

# Which of two things comes first matters around these
DIRECTIONS = frozenset(
    _words(
        """
    than to from into before after over under against onto towards toward minus versus through via inside
    outside beats beat defeat defeats replace instead behind above below following preceding
    """
    )
)

ANTONYMS = _sets(
    """
    more greater larger bigger higher: less fewer smaller lower;
    most maximum max highest largest biggest greatest: least minimum min lowest smallest fewest;
    big large huge giant: small little tiny;
    tall high: short low;
    long: short brief;
    longest tallest: shortest;
    longer taller: shorter;
    older oldest old elderly ancient: younger youngest young new newer newest modern;
    best better: worst worse;
    good great: bad evil poor terrible awful;
    faster fast fastest quick quickly quicker rapid: slower slow slowest slowly;
    cheap cheaper cheapest inexpensive: expensive pricier costly dearer;
    before prior earlier: after afterwards later;
    above over: below under beneath underneath;
    up upward upwards upstairs: down downward downwards downstairs;
    in inside indoor indoors within inner: out outside outdoor outdoors outer;
    left: right;
    right correct true accurate: wrong incorrect false inaccurate;
    top: bottom;
    front forward forwards ahead: back backward backwards behind;
    north northern: south southern;
    east eastern: west western;
    increase increases increased increasing rise rises raise raises raised grow grows gain gained boost: decrease
    decreases decreased decreasing fall falls drop drops lower reduce reduces reduced shrink lose lost;
    start starts started starting begin begins began beginning launch open opens opened opening: stop stops stopped
    stopping end ends ended ending finish close closes closed closing shut;
    on: off;
    enable enables enabled activate activated allow allows allowed permit permitted: disable disables disabled
    deactivate deactivated forbid forbidden forbids ban banned block blocked deny denied prohibit prohibited;
    add adds added adding insert include includes included including: remove removes removed removing delete deletes
    deleted exclude excludes excluded excluding subtract;
    install installed installing: uninstall uninstalled uninstalling;
    buy buys buying bought purchase purchased: sell sells selling sold;
    import imports imported: export exports exported;
    upload uploads uploaded uploading: download downloads downloaded downloading;
    send sends sending sent: receive receives receiving received get;
    give gives gave giving: take takes took taking receive;
    lend lends lending: borrow borrows borrowing;
    borrower: lender;
    buyer buyers customer: seller sellers vendor;
    employer employers: employee employees;
    teacher teachers: student students;
    parent parents: child children kid kids;
    mother mom mum mothers: father dad fathers;
    son sons brother brothers: daughter daughters sister sisters;
    husband husbands groom: wife wives bride;
    man men male males boy boys guy guys gentleman: woman women female females girl girls lady ladies;
    he him his: she her hers;
    king prince: queen princess;
    uncle nephew: aunt niece;
    boyfriend: girlfriend;
    love loves loved loving like likes liked: hate hates hated hating dislike dislikes disliked;
    friend friends ally: enemy enemies foe;
    win wins winning won victory winner: lose loses losing lost defeat loser;
    pass passes passed passing succeed succeeds succeeded success successful: fail fails failed failing failure
    unsuccessful;
    accept accepts accepted accepting approve approved: reject rejects rejected rejecting refuse refuses refused
    decline declined;
    agree agrees agreed: disagree disagrees disagreed;
    advantage advantages benefit benefits pro pros strength strengths: disadvantage disadvantages drawback drawbacks
    con cons weakness weaknesses downside;
    positive positives: negative negatives;
    safe safely secure: unsafe dangerous insecure risky;
    legal lawful legally: illegal unlawful illegally;
    possible: impossible;
    public: private;
    open: closed;
    full: empty;
    hot hotter hottest warm: cold colder coldest cool;
    wet: dry;
    heavy heavier heaviest: light lighter lightest;
    hard harder hardest difficult: easy easier easiest simple;
    hard solid firm: soft;
    strong stronger strongest: weak weaker weakest;
    rich richer richest wealthy: poor poorer poorest;
    happy happier glad joyful: sad sadder unhappy miserable;
    alive living live: dead died dying die;
    birth born: death died;
    early: late;
    first: last final;
    always: never;
    all every everyone everything everybody entire: none nobody nothing;
    all every always: some sometimes few;
    often frequently usually: rarely seldom;
    with: without;
    day daytime: night nighttime;
    morning am: evening pm;
    sunrise dawn: sunset dusk;
    light bright brighter: dark darker dim;
    white: black;
    arrive arrives arrival arrived arriving: depart departs departure leave leaves leaving left;
    come comes came coming: go goes went going;
    enter enters entry entering entrance: exit exits exiting leave;
    push: pull;
    encrypt encrypts encrypted encryption encode encoded encoding: decrypt decrypts decrypted decryption decode
    decoded decoding;
    compress compressed zip: decompress decompressed unzip extract;
    connect connects connected connecting attach attached: disconnect disconnects disconnected detach detached;
    lock locks locked: unlock unlocks unlocked;
    login signin: logout signout;
    subscribe subscribed: unsubscribe unsubscribed;
    follow: unfollow;
    visible show shows shown appear appears: invisible hide hides hidden disappear disappears;
    internal: external;
    input inputs: output outputs;
    synchronous sync: asynchronous async;
    static: dynamic;
    client clients: server servers;
    read reads reading: write writes writing;
    ascending: descending;
    horizontal horizontally: vertical vertically;
    odd: even;
    multiply multiplied: divide divided;
    plus: minus;
    credit: debit;
    deposit deposits deposited: withdraw withdraws withdrawal withdrawn;
    profit profits profitable: loss losses unprofitable;
    income revenue: expense expenses expenditure;
    asset assets: liability liabilities;
    import: export;
    supply: demand;
    cause causes caused: prevent prevents prevented cure effect effects;
    save saves saving savings: spend spends spending waste wastes;
    war: peace;
    guilty: innocent;
    major: minor;
    majority: minority;
    rural: urban;
    senior: junior;
    husband: wife;
    domestic local: foreign international global;
    natural: artificial synthetic;
    real genuine authentic: fake counterfeit;
    permanent permanently: temporary temporarily;
    remember remembers: forget forgets forgot forgotten;
    question: answer;
    ask: answer;
    attack attacks: defend defends defense defence;
    healthy well: sick ill unhealthy;
    clean: dirty;
    thick: thin;
    fat overweight: thin skinny slim underweight;
    wide broad: narrow;
    deep: shallow;
    smooth: rough;
    sharp: dull blunt;
    sweet: bitter sour;
    loud noisy: quiet silent;
    brave courageous: cowardly afraid;
    polite: rude;
    kind: cruel mean;
    honest truthful: dishonest lying;
    lucky fortunate: unlucky unfortunate;
    beautiful pretty handsome attractive: ugly unattractive;
    smart intelligent clever wise: stupid dumb foolish;
    interesting exciting: boring dull;
    important significant: unimportant insignificant trivial;
    necessary required mandatory compulsory: unnecessary optional voluntary;
    useful: useless;
    common usual ordinary typical normal: rare unusual uncommon abnormal strange;
    similar same alike equal identical: different opposite unequal distinct other another;
    present: absent;
    near close nearby closest nearest: far distant remote farthest furthest;
    inhale: exhale;
    expand: contract;
    ancestor ancestors: descendant descendants;
    host: guest;
    guest: owner;
    lead leads leading leader: follow follows following follower;
    offline: online;
    hire hires hired: fire fires fired;
    marry married marriage: divorce divorced single unmarried;
    awake: asleep;
    wake: sleep;
    sit: stand;
    gainful: gainless;
    upgrade upgraded: downgrade downgraded;
    freeze frozen: melt thaw boil;
    build builds built create creates created construct: destroy destroys destroyed demolish;
    creditor: debtor;
    victim: criminal perpetrator;
    prosecution: defense defence;
    import importer: exporter;
    optimist optimistic: pessimist pessimistic;
    introvert introverted: extrovert extroverted;
    virtue: vice;
    heaven: hell;
    god: devil;
    """
)

PREFIXES = ("un", "in", "im", "ir", "il", "dis", "non", "mis", "anti", "de")
"""Before a word of four letters or more that the other text has, these turn it round."""

POLITE_STARTS = tuple(
    tuple(phrase.split())
    for phrase in _phrases(
        """
    hi there|hello there|hey there|hi|hello|hey|hiya|greetings|good morning|good afternoon|good evening|dear
    assistant|dear ai|please|kindly|pls|plz|ok|okay|so|well|um|sorry|excuse me|thank you|thanks|quick question|i
    have a question|just wondering|i was wondering|i am wondering|i wonder|i would like to know|i want to know|i
    would love to know|i need to know|i am curious|just curious|out of curiosity|if you do not mind|would you
    please|could you please|can you please|will you please|would you kindly|could you kindly|would you mind
    telling me|do you know|do you happen to know|does anyone know|does anybody know|can anyone tell me|can
    somebody tell me|can someone tell me|could someone tell me|can you tell me|could you tell me|would you tell
    me|may i know|may i ask|can i ask|please tell me|let me know|help me understand|can you help me understand
    """
    )
)
POLITE_ENDS = tuple(
    tuple(phrase.split())
    for phrase in _phrases(
        """
    please|pls|plz|thanks|thank you|thank you very much|thank you so much|many thanks|thanks a lot|thanks so
    much|thanks a million|thanks in advance|thank you in advance|cheers|if you do not mind|if you can|if
    possible|for me please|ok|okay|much appreciated|i appreciate it|regards|best regards|thx|ty|kindly|have a
    nice day|have a good day|have a great day
    """
    )
)
# After "can you" these ask for something to be done; others ask whether it can be
TASKS = frozenset(
    _words(
        """
    explain tell show give write describe list summarize translate help define recommend suggest provide create
    find generate compare convert calculate compute name outline draft rewrite solve prove teach
    """
    )
)

CONTRACTIONS = {
    "can't": "can not", "cannot": "can not", "won't": "will not", "shan't": "shall not", "let's": "let us",
    "i'm": "i am", "gonna": "going to",
    "wanna": "want to", "gotta": "got to", "it's": "it is", "what's": "what is", "who's": "who is", "that's": "that is",
    "where's": "where is", "when's": "when is", "how's": "how is", "why's": "why is", "there's": "there is",
    "he's": "he is", "she's": "she is", "here's": "here is", "y'all": "you all", "whats": "what is", "dont": "do not",
    "doesnt": "does not", "isnt": "is not", "cant": "can not", "didnt": "did not", "im": "i am", "wont": "will not",
    "ain't": "is not", "u": "you", "ur": "your", "r": "are",
}  # fmt: skip
ENDINGS = (("n't", " not"), ("'re", " are"), ("'ve", " have"), ("'ll", " will"), ("'d", " would"))

SPELLINGS = dict(
    pair.split(":")
    for pair in _words(
        """
    colour:color colours:colors favourite:favorite favour:favor behaviour:behavior honour:honor labour:labor
    neighbour:neighbor flavour:flavor harbour:harbor humour:humor centre:center metre:meter litre:liter
    theatre:theater fibre:fiber defence:defense licence:license offence:offense practise:practice grey:gray
    tyre:tire cheque:check catalogue:catalog dialogue:dialog programme:program travelling:traveling
    cancelled:canceled cancelling:canceling modelling:modeling labelled:labeled jewellery:jewelry
    aluminium:aluminum aeroplane:airplane mum:mom organise:organize organisation:organization realise:realize
    recognise:recognize analyse:analyze summarise:summarize optimise:optimize customise:customize
    apologise:apologize initialise:initialize serialise:serialize normalise:normalize visualise:visualize
    memorise:memorize minimise:minimize maximise:maximize specialise:specialize utilise:utilize
    criticise:criticize emphasise:emphasize authorise:authorize authorisation:authorization
    optimisation:optimization visualisation:visualization learnt:learned whilst:while amongst:among
    judgement:judgment enrol:enroll fulfil:fulfill skilful:skillful ageing:aging sceptical:skeptical
    pyjamas:pajamas mould:mold plough:plow storey:story
    """
    )
)

# Answers to these are true for minutes
FRESH = frozenset(_words("today tonight now currently latest newest breaking yesterday tomorrow weather forecast"))
