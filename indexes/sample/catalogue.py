"""What the people of a sample town offer, sell and seek: words and shares, all made up.

Each kind has its wares: category, title, and a text. ``{}`` takes a first name (kinds of people)
or a family name (kinds with a sign above the door); in what a shop offers, the shop's title.
"""

from typing import NamedTuple

from indexes.entities import Audience, Kind

__all__ = [
    "AUDIENCES",
    "FAMILY_NAMES",
    "FIRST_NAMES",
    "HOURS",
    "LEVELS",
    "OFFERS",
    "REACHES_M",
    "SHARES",
    "STREETS",
    "WARES",
    "Ware",
]


class Ware(NamedTuple):
    """One thing a listing may be."""

    category: str
    title: str
    text: str = ""


# Shares of the kinds among listings.
SHARES = {
    Kind.NEIGHBOUR: 0.28,
    Kind.SERVICE: 0.20,
    Kind.ARTISAN: 0.10,
    Kind.MERCHANT: 0.12,
    Kind.OFFER: 0.12,
    Kind.EVENT: 0.05,
    Kind.AD: 0.09,
    Kind.PLACE: 0.04,
}

WARES = {
    Kind.NEIGHBOUR: (
        Ware("voisin.jardin", "{}, jardin et boutures"),
        Ware("voisin.velo", "{}, balades à vélo"),
        Ware("voisin.jeux", "{}, jeux de société"),
        Ware("voisin.cuisine", "{}, cuisine du monde"),
        Ware("voisin.musique", "{}, chorale et guitare"),
        Ware("voisin.marche", "{}, marche du dimanche"),
    ),
    Kind.SERVICE: (
        Ware("garde.enfants", "Garde d'enfants après l'école", "{} garde vos enfants le soir."),
        Ware("garde.animaux", "Promenade de chiens", "{} promène votre chien, matin et soir."),
        Ware("cours.mathematiques", "Cours de maths, collège et lycée", "Cours donnés par {}."),
        Ware("cours.piano", "Cours de piano, débutants", "{} enseigne le piano à domicile."),
        Ware("cours.francais", "Conversation en français", "Avec {}, autour d'un café."),
        Ware("bricolage.montage", "Montage de meubles", "{} vient avec ses outils."),
        Ware("bricolage.etageres", "Pose d'étagères et de tringles", "{} a une perceuse."),
        Ware("informatique.aide", "Aide à l'ordinateur et au téléphone", "Patience de {}."),
        Ware("couture.retouches", "Retouches et ourlets", "{} coud depuis vingt ans."),
        Ware("courses.livraison", "Courses pour personnes âgées", "{} passe au marché."),
        Ware("velo.reparation", "Réparation de vélos", "{} répare freins et crevaisons."),
        Ware("demarches.courrier", "Aide aux démarches et courriers", "{} relit et rédige."),
    ),
    Kind.ARTISAN: (
        Ware("artisan.plomberie", "Plomberie {}", "Fuites, robinets, chauffe-eau."),
        Ware("artisan.electricite", "Électricité {}", "Dépannage et mise aux normes."),
        Ware("artisan.serrurerie", "Serrurerie {}", "Portes claquées, serrures, volets."),
        Ware("artisan.peinture", "Peinture {}", "Murs, plafonds, façades."),
        Ware("artisan.menuiserie", "Menuiserie {}", "Fenêtres, placards, escaliers."),
        Ware("artisan.toiture", "Toiture {}", "Tuiles, zinc, gouttières."),
        Ware("artisan.vitrerie", "Vitrerie {}", "Vitres et double vitrage."),
        Ware("artisan.chauffage", "Chauffage {}", "Chaudières et pompes à chaleur."),
    ),
    Kind.MERCHANT: (
        Ware("commerce.boulangerie", "Boulangerie {}", "Pain au levain et fougasse."),
        Ware("commerce.epicerie", "Épicerie {}", "Fruits, légumes, produits de la côte."),
        Ware("commerce.poissonnerie", "Poissonnerie {}", "La pêche du matin."),
        Ware("commerce.librairie", "Librairie {}", "Romans, jeunesse, cartes marines."),
        Ware("commerce.fleuriste", "Fleurs {}", "Bouquets et plantes."),
        Ware("commerce.pharmacie", "Pharmacie {}"),
        Ware("commerce.cycles", "Cycles {}", "Vente, location, atelier."),
        Ware("commerce.laverie", "Laverie {}", "Libre-service."),
        Ware("restaurant.bistrot", "Bistrot {}", "Plat du jour et terrasse."),
        Ware("restaurant.poisson", "Grillades {}", "Sur le port depuis toujours."),
        Ware("restaurant.creperie", "Crêperie {}", "Galettes et cidre."),
    ),
    Kind.EVENT: (
        Ware("sortie.concert", "Concert au kiosque", "Fanfare et chansons de marins."),
        Ware("sortie.brocante", "Vide-grenier du quartier", "Emplacements gratuits."),
        Ware("sortie.repas", "Repas de rue", "Chacun apporte un plat."),
        Ware("sortie.atelier", "Atelier de réparation", "Apportez vos objets en panne."),
        Ware("sortie.sport", "Yoga sur la digue", "Tapis prêtés."),
        Ware("sortie.enfants", "Contes pour les petits", "De trois à sept ans."),
        Ware("sortie.nature", "Nettoyage de la plage", "Gants et sacs fournis."),
    ),
    Kind.AD: (
        Ware("vente.velo", "Vends vélo d'enfant", "Contact : {}."),
        Ware("vente.meuble", "Vends table et quatre chaises", "Contact : {}."),
        Ware("vente.electromenager", "Vends machine à laver", "Contact : {}."),
        Ware("don.meuble", "Donne canapé, à venir chercher", "Contact : {}."),
        Ware("don.livres", "Donne cartons de livres", "Contact : {}."),
        Ware("troc.plantes", "Échange boutures contre graines", "Contact : {}."),
        Ware("pret.outils", "Prête échelle et perceuse", "Contact : {}."),
    ),
    Kind.PLACE: (
        Ware("lieu.bibliotheque", "Bibliothèque de quartier"),
        Ware("lieu.square", "Square et jeux d'enfants"),
        Ware("lieu.compost", "Composteur partagé"),
        Ware("lieu.ressourcerie", "Ressourcerie"),
        Ware("lieu.maison", "Maison des habitants"),
        Ware("lieu.fontaine", "Fontaine d'eau potable"),
    ),
}

# What a shop may offer, by its own category.
OFFERS = {
    "commerce.boulangerie": (
        Ware("bonplan.alimentation", "Deux pains achetés, un offert", "{}."),
        Ware("bonplan.alimentation", "Panier du soir, moitié prix", "{}."),
    ),
    "commerce.epicerie": (
        Ware("bonplan.alimentation", "Panier anti-gaspi, moitié prix", "{}."),
        Ware("bonplan.alimentation", "Légumes de saison, −20 %", "{}."),
    ),
    "commerce.poissonnerie": (Ware("bonplan.alimentation", "Sardines, le kilo à −30 %", "{}."),),
    "commerce.librairie": (Ware("bonplan.culture", "Un livre acheté, un prêté", "{}."),),
    "commerce.fleuriste": (Ware("bonplan.maison", "Bouquet du jour, −25 %", "{}."),),
    "commerce.pharmacie": (Ware("bonplan.sante", "Crème solaire, −15 %", "{}."),),
    "commerce.cycles": (Ware("bonplan.velo", "Révision de vélo, −30 %", "{}."),),
    "commerce.laverie": (Ware("bonplan.maison", "Lessive aux heures creuses, −25 %", "{}."),),
    "restaurant.bistrot": (Ware("bonplan.restaurant", "Café offert aux habitants", "{}."),),
    "restaurant.poisson": (Ware("bonplan.restaurant", "Soupe de poisson à prix doux", "{}."),),
    "restaurant.creperie": (Ware("bonplan.restaurant", "Galette et cidre, −20 %", "{}."),),
}

# Whom listings of a kind address; a name that comes twice is drawn twice as often.
_TO_ALL = (*[Audience.PUBLIC] * 9, Audience.CITY)
AUDIENCES = {
    Kind.NEIGHBOUR: (
        *[Audience.CITY] * 6, *[Audience.ZONE] * 2, Audience.RESIDENCE, Audience.BUILDING,
    ),
    Kind.SERVICE: (*[Audience.CITY] * 6, *[Audience.PUBLIC] * 3, Audience.ZONE),
    Kind.ARTISAN: _TO_ALL,
    Kind.MERCHANT: _TO_ALL,
    Kind.OFFER: _TO_ALL,
    Kind.EVENT: _TO_ALL,
    Kind.AD: (
        *[Audience.CITY] * 4, *[Audience.ZONE] * 4, Audience.RESIDENCE, Audience.BUILDING,
    ),
    Kind.PLACE: (Audience.PUBLIC,),
}  # fmt: skip

# How far listings of a kind want to be found, metres.
REACHES_M: dict[Kind, tuple[int | None, ...]] = {
    Kind.NEIGHBOUR: (None,),
    Kind.SERVICE: (None, None, 1_000, 2_000, 5_000),
    Kind.ARTISAN: (None, 3_000, 5_000, 10_000),
    Kind.MERCHANT: (None,),
    Kind.OFFER: (None, 500, 1_000, 2_000, 5_000),
    Kind.EVENT: (None, 2_000, 5_000),
    Kind.AD: (None, None, 2_000),
    Kind.PLACE: (None,),
}

# Opening hours of what has a door; none where nobody wrote them down.
HOURS = (
    "24/7",
    "Mo-Su 07:00-20:00",
    "Mo-Sa 09:00-19:00",
    "Tu-Sa 08:00-13:00,15:00-19:30; PH off",
    "Tu-Su 06:30-13:00,16:00-20:00",
    "Mo-Fr 08:00-12:00,14:00-18:00; PH off",
    "Mo-Sa 10:00-12:30,14:00-19:00; PH off",
    "Tu-Su 12:00-14:30,19:00-23:00",
    "Mo-Su 11:30-15:00,18:30-24:00",
    "Th-Su 18:00-02:00",
    "Mo-Sa 08:30-20:30; Su 09:00-13:00",
    "Mo-Fr 07:30-19:00; Sa 09:00-12:30",
    None,
)

LEVELS = (0.12, 0.26, 0.32, 0.22, 0.08)  # shares of members at verification levels 0 to 4

FIRST_NAMES = (
    "Adèle", "Amina", "Anouk", "Aïssa", "Basile", "Camille", "Clément", "Dalila", "Elias",
    "Fatou", "Félix", "Gaëlle", "Hugo", "Ines", "Jeanne", "Karim", "Lina", "Louis", "Maël",
    "Mireille", "Nadia", "Noé", "Olga", "Paul", "Rania", "Rémi", "Salomé", "Samir", "Théo",
    "Thi", "Victor", "Yasmine", "Zoé",
)  # fmt: skip

# Words of the sea and the hills, so that no sign is a real family's.
FAMILY_NAMES = (
    "de l'Ancre", "de l'Écluse", "de la Bouée", "de la Colline", "de la Digue", "de la Garrigue",
    "de la Houle", "de la Misaine", "du Bastingage", "du Cabestan", "du Goéland", "du Grand Pin",
    "du Hauban", "du Môle", "du Noroît", "du Phare", "du Ressac", "du Sémaphore",
)  # fmt: skip

STREETS = (
    "quai des Cordiers", "quai aux Huiles", "rue de l'Écluse", "rue des Calfats", "rue du Cabestan",
    "place du Sémaphore", "rue des Salins", "montée des Goélands", "boulevard du Ponant",
    "allée des Pins", "rue du Filet", "traverse du Phare", "rue des Voiliers", "cours du Levant",
)  # fmt: skip
